"""The judge accepts an undisturbed run, and sees each kind of damage."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from redis import Redis

from bakehouse.runs import transitions
from bakehouse.runs.commands import EpochEntry, LogEvents, OwnerLost, PublishCheckpoint, StepEntry, Succeed
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint
from tests.chaos.client import Accepted, Client
from tests.chaos.judge import Permitted, Violation, judge_files, judge_keys, judge_list, judge_run, judge_seconds
from tests.chaos.reference import Results, bits
from tests.fake_worker import FakeWorker, owner_of
from tests.running_service import RunningService
from tests.runs.examples import PROVENANCE

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 2}
WEIGHTS = {"weight": torch.ones(2)}
STEPS = [{"step": step, "train_loss": 1 / step} for step in range(1, 5)]
EPOCHS = [{"epoch": epoch, "step": 2 * epoch, "validation_loss": 1 / epoch} for epoch in (1, 2)]
EXPECTED = Results(STEPS, EPOCHS, [], bits(WEIGHTS), bits(WEIGHTS), {"validation_loss": 0.5}, "epochs_done")


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    client = Client(lambda: [service.url])
    yield client
    client.close()


@pytest.fixture
def run_id(client: Client) -> str:
    return client.submit("linear", RECIPE)


def log(worker: FakeWorker, run_id: str, nonce: str, *epochs: int) -> None:
    """Logs the steps and the end of each epoch, as the owner with this nonce."""
    for epoch in epochs:
        steps = [StepEntry(step, {"train_loss": 1 / step}) for step in (2 * epoch - 1, 2 * epoch)]
        end = EpochEntry(epoch, 2 * epoch, {"validation_loss": 1 / epoch}, {})
        worker.store.command(run_id, LogEvents(nonce, (*steps, end)))


def save(worker: FakeWorker, run_id: str, role: Any, weights: dict[str, torch.Tensor]) -> Checkpoint:
    """Publishes weights of the last epoch."""

    stored = worker.artifacts.write_checkpoint(run_id, safetensors.torch.save(weights), {})
    checkpoint = Checkpoint(epoch=2, roles=(role,), metrics={}, sha256=stored.sha256, bytes=stored.bytes)
    best = Best(epoch=2, monitor="validation_loss", value=0.5) if role == "best" else None
    nonce = worker.store.record(run_id).owner
    worker.store.command(run_id, PublishCheckpoint(nonce.nonce if nonce else "", checkpoint, best))
    return checkpoint


def succeed(worker: FakeWorker, run_id: str, nonce: str) -> None:
    """Ends the run."""
    worker.store.command(run_id, Succeed(nonce, "epochs_done", PROVENANCE))


def train(worker: FakeWorker, run_id: str, weights: dict[str, torch.Tensor] = WEIGHTS) -> None:
    """Trains a run whose first attempt is lost in its second epoch."""
    worker.claim(run_id)
    log(worker, run_id, run_id, 1, 2)
    worker.store.command(run_id, OwnerLost(nonce=run_id))
    second = owner_of("second")
    assert worker.store.claim(second, fits=lambda record: record.id == run_id) is not None
    log(worker, run_id, "second", 2)
    for role in ("best", "last"):
        save(worker, run_id, role, weights)
    succeed(worker, run_id, "second")


def judge(client: Client, run_id: str, expected: Results = EXPECTED, **permitted: Any) -> list[str]:
    """Returns the faults that the judge finds in a run."""
    return [item.fault for item in judge_run(client, client.history[run_id], expected, Permitted(**permitted))]


def test_a_run_that_lost_an_attempt_and_ended_as_expected_is_accepted(
    client: Client, worker: FakeWorker, run_id: str
) -> None:
    train(worker, run_id)
    assert judge(client, run_id) == []
    assert judge_list(client, client.history) == []


def test_without_contiguity_the_judge_finds_repeated_steps(
    client: Client, worker: FakeWorker, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "unseen_entries", lambda record, entries: iter(entries))
    train(worker, run_id)
    assert set(judge(client, run_id)) == {"log", "not identical"}


def test_without_fencing_the_judge_finds_a_second_end(
    client: Client, worker: FakeWorker, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(worker, run_id)
    guarded = transitions.reduce_owned
    stale = Owner(nonce=run_id, host="here", boot_id="boot", pid=7, start_time=1)
    monkeypatch.setattr(
        transitions,
        "reduce_owned",
        lambda record, command, now: guarded(record.model_copy(update={"owner": stale}), command, now),
    )
    succeed(worker, run_id, run_id)
    assert judge(client, run_id) == ["log"]


@pytest.mark.parametrize(
    "expected",
    [
        replace(EXPECTED, steps=STEPS[1:]),
        replace(EXPECTED, epochs=[*EPOCHS, EPOCHS[0]]),
        replace(EXPECTED, diagnostics=[{"name": "hints"}]),
        replace(EXPECTED, best=bits({"weight": torch.zeros(2)})),
        replace(EXPECTED, last=bits({"weight": torch.ones(2, 1)[:1]})),
        replace(EXPECTED, metrics={"validation_loss": 0.25}),
        replace(EXPECTED, reason="early_stopped"),
    ],
)
def test_any_other_result_is_not_identical(client: Client, worker: FakeWorker, run_id: str, expected: Results) -> None:
    train(worker, run_id)
    assert judge(client, run_id, expected) == ["not identical"]


def test_damaged_weights_are_not_identical(client: Client, worker: FakeWorker, run_id: str) -> None:
    train(worker, run_id)
    sha256 = client.get(f"/v1/runs/{run_id}/checkpoints/best")["sha256"]
    path = worker.artifacts.checkpoint_path(run_id, sha256)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    assert judge(client, run_id) == ["not identical", "not identical"]


def test_a_failure_is_accepted_only_where_the_disk_failed(client: Client, worker: FakeWorker, run_id: str) -> None:
    worker.claim(run_id)
    worker.fail(run_id)
    assert judge(client, run_id) == ["status"]
    assert judge(client, run_id, storage_failures=frozenset({run_id})) == ["status"]


def test_a_cancel_that_was_acknowledged_must_have_happened(client: Client, worker: FakeWorker, run_id: str) -> None:
    train(worker, run_id)
    client.history[run_id].cancelled = True
    assert judge(client, run_id) == ["status"]


def test_a_run_that_nobody_accepted_and_one_that_is_gone_are_found(client: Client, run_id: str) -> None:
    gone = Accepted("run_222222222222", "linear", 0.0)
    assert [item.fault for item in judge_list(client, {gone.run_id: gone})] == ["lost", "doubled"]


@pytest.mark.parametrize(("seconds", "number"), [(1.0, 0), (3600.0, 1), (-1.0, 1)])
def test_a_run_cannot_take_longer_than_since_it_was_accepted(seconds: float, number: int) -> None:
    assert len(judge_seconds({"id": "run", "seconds": seconds}, 2.0)) == number


def test_files_and_keys_that_nothing_needs_are_found(redis_url: str, tmp_path: Path) -> None:
    for name in ("lock", "logs/service.log", "artifacts/local/marker/id", "datasets/iris/card.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert judge_files(tmp_path) == []
    (tmp_path / "artifacts/local/probe-1.tmp").touch()
    assert judge_files(tmp_path) == [Violation("file", "", "artifacts/local/probe-1.tmp")]
    with Redis.from_url(redis_url) as redis:
        redis.set("local:run:run_222222222222", "")
        redis.set("local:marker", "")
        redis.set("rq:job:1", "", ex=60)
        assert judge_keys(redis, ["run_222222222222"]) == []
        redis.set("rq:job:2", "")
        redis.set("local:lock", "")
        names = sorted(item.text for item in judge_keys(redis, []))
    assert names == ["local:lock", "local:run:run_222222222222", "rq:job:2"]
