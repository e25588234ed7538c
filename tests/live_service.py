"""The real service in a process of its own, and whoever plays its worker."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from redis import Redis

from bakehouse.client import Client, ClientRun
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import (
    Cancel,
    EpochEntry,
    Fail,
    LogEvents,
    Pause,
    PublishCheckpoint,
    RequestAction,
    Succeed,
)
from bakehouse.runs.record import Owner, Record
from bakehouse.runs.run import Best, Checkpoint, Failure, Progress, Provenance, Reason
from bakehouse.runs.store import Store, connect

NONCE = "baker"
STEPS = 23


@dataclass(frozen=True)
class LiveService:
    """Where it listens, and where it keeps files."""

    url: str
    home: Path
    redis_url: str


@dataclass
class Baker:
    """Does by hand what a worker does."""

    store: Store
    artifacts: Artifacts
    epoch: dict[str, int] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)

    def claim(self) -> Record:
        """The next waiting run."""
        record = self.store.claim(Owner(nonce=NONCE, host="here", boot_id="boot", pid=7, start_time=1))
        assert record is not None
        return record

    def train(self, run_id: str, losses: list[float]) -> None:
        """An epoch for each validation loss."""
        for loss in losses:
            epoch = self.epoch[run_id] = self.epoch.get(run_id, 0) + 1
            metrics = {"train_loss": loss / 2, "validation_loss": loss, "validation_accuracy": 1 - loss / 10}
            entry = EpochEntry(epoch, epoch * STEPS, metrics, self.standing(run_id, loss))
            epochs = self.store.record(run_id).progress.epochs
            progress = Progress(epoch=epoch, epochs=epochs, step=epoch * STEPS, steps=epochs * STEPS)
            self.store.command(run_id, LogEvents(NONCE, (entry,), progress))

    def standing(self, run_id: str, loss: float) -> dict[str, bool | int]:
        """Whether it is the best yet, and how long ago that was."""
        losses = self.losses.setdefault(run_id, [])
        losses.append(loss)
        since = len(losses) - 1 - losses.index(min(losses))
        return {"is_best": since == 0, "epochs_since_best": since}

    def keep(self, run_id: str, weights: bytes, *, loss: float = 0.5) -> str:
        """The present epoch's weights become the best; their digest."""
        epoch = self.epoch.get(run_id, 1)
        stored = self.artifacts.write_checkpoint(run_id, weights, {})
        metrics: dict[str, float | None] = {"validation_loss": loss}
        checkpoint = Checkpoint(epoch=epoch, roles=("best",), metrics=metrics, sha256=stored.sha256, bytes=stored.bytes)
        best = Best(epoch=epoch, monitor="validation_loss", value=loss)
        self.store.command(run_id, PublishCheckpoint(NONCE, checkpoint, best))
        return hashlib.sha256(weights).hexdigest()

    def succeed(self, run_id: str, reason: str = "epochs_done") -> None:
        """The end."""
        self.store.command(run_id, Succeed(NONCE, reason, PROVENANCE))  # type: ignore[arg-type]

    def fail(self, run_id: str, code: Reason = "non_finite") -> None:
        """The other end."""
        failure = Failure(code=code, message="The loss is not finite.", pointer="/optimizer/lr", retryable=False)
        self.store.command(run_id, Fail(NONCE, failure))

    def cancel(self, run_id: str) -> None:
        """Asked for and obeyed."""
        self.store.command(run_id, RequestAction("cancel"))
        self.store.command(run_id, Cancel(NONCE))

    def pause(self, run_id: str) -> None:
        """Obeys."""
        self.store.command(run_id, Pause(NONCE))

    def bake(self, run: ClientRun, losses: list[float], *, weights: bytes = b"weights") -> str:
        """A whole run; the digest of its best."""
        assert self.claim().id == run.id
        self.train(run.id, losses)
        digest = self.keep(run.id, weights, loss=min(losses))
        self.succeed(run.id)
        return digest


DIGITS = read_card(BUILTIN / "digits")
PROVENANCE = Provenance(
    recipe_sha256="0" * 64, dataset_fingerprint=DIGITS.fingerprint, weights_sha256=None, versions={"torch": "2.13.0"},
    device="cpu", threads=1, seed=0, exact=True, peak_memory_bytes=1, device_seconds=0.5,
)  # fmt: skip


@pytest.fixture(scope="session")
def started_service(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One process for all tests."""
    home = tmp_path_factory.mktemp("home")
    with Redis.from_url(redis_server) as redis:
        redis.flushall()  # it names the folder of another service
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = LiveService(f"http://127.0.0.1:{port}", home, redis_server)
    with (home / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], env=environment(service, port), stdout=log, stderr=log
        )
        try:
            wait_until_ready(service, process)
            yield service
        finally:
            process.terminate()
            process.wait()


def environment(service: LiveService, port: int) -> dict[str, str]:
    """What the process is told."""
    said = {"BAKEHOUSE_REDIS_URL": service.redis_url, "BAKEHOUSE_PORT": str(port), "BAKEHOUSE_HOME": str(service.home)}
    return {name: value for name, value in os.environ.items() if not name.startswith("BAKEHOUSE_")} | said


def wait_until_ready(service: LiveService, process: "subprocess.Popen[bytes]") -> None:
    """Or its log."""
    for _ in range(400):
        try:
            if httpx.get(f"{service.url}/healthz/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            if process.poll() is not None:
                break
        time.sleep(0.05)
    raise RuntimeError((service.home / "service.log").read_text())


@pytest.fixture
def service(started_service: LiveService, redis_url: str) -> LiveService:
    """The service with an empty Redis."""
    return started_service


@pytest.fixture
def baker(service: LiveService) -> Iterator[Baker]:
    """Who trains."""
    redis = connect(service.redis_url, patient=False)
    yield Baker(Store(redis), Artifacts(service.home / "artifacts"))
    redis.close()


@pytest.fixture
def client(service: LiveService) -> Iterator[Client]:
    """Who submits."""
    with Client(service.url) as client:
        yield client
