"""What the supervisor does once a second, on a real Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Ask, PublishCheckpoint, Renew
from bakehouse.runs.errors import FolderNotShared, OwnershipLost
from bakehouse.runs.marker import name_folder
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint, Worker
from bakehouse.runs.store import Store, connect
from bakehouse.runs.transitions import KEEP_REPLACED_MS
from bakehouse.settings import Settings
from tests.whole_home import SHORT, put, wait_until
from worker.host.owner import start_time, this_process
from worker.host.supervisor import OBEY_MS, Supervisor

# Nobody knows whether it lives.
FAR = Owner(nonce="far", host="elsewhere", boot_id="", pid=1, start_time=1)
LONG_AGO = -1e6


class Kitchen:
    """A supervisor without workers, whose clocks can be set."""

    def __init__(self, settings: Settings) -> None:
        assert settings.redis_url is not None
        redis = connect(settings.redis_url, patient=True)
        self.settings = settings
        self.store = Store(redis, lease_seconds=settings.lease_seconds)
        self.wake_queue = WakeQueue(redis)
        self.artifacts = Artifacts(settings.artifacts)
        self.supervisor = Supervisor(settings, self.store, self.wake_queue)

    def put(self) -> str:
        return put(self.store, self.settings, SHORT)

    def claimed(self, owner: Owner) -> str:
        run_id = self.put()
        assert self.store.claim(owner) is not None
        return run_id

    def judge(self, run_id: str) -> str:
        """What comes of the run, in a word."""
        self.supervisor.judge(self.store.record(run_id))
        return self.store.record(run_id).reason

    def let_pass(self, milliseconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """On Redis's clock."""
        now = self.store.now
        monkeypatch.setattr(self.store, "now", lambda: now() + milliseconds)


@pytest.fixture
def kitchen(redis_url: str, tmp_path: Path) -> Kitchen:
    return Kitchen(Settings(home=tmp_path, redis_url=redis_url, workers=0))


@pytest.fixture
def sleeper() -> Iterator[Owner]:
    """A training process that does not listen."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield this_process().model_copy(update={"pid": process.pid, "start_time": start_time(process.pid)})
        process.kill()


def test_a_dead_owner_loses_its_run_at_once(kitchen: Kitchen) -> None:
    dead = this_process().model_copy(update={"start_time": 1})
    run_id = kitchen.claimed(dead)
    kitchen.artifacts.write_resume(run_id, 1, {"state": b"x"})
    assert kitchen.judge(run_id) == "worker_lost"
    assert kitchen.artifacts.newest_resume(run_id).state is not None


def test_a_living_owner_keeps_its_run(kitchen: Kitchen) -> None:
    kitchen.supervisor.in_contact_since = LONG_AGO
    assert kitchen.judge(kitchen.claimed(this_process())) == "claimed"


def test_a_lease_ends_only_after_a_full_lease_of_contact(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = kitchen.claimed(FAR)
    kitchen.let_pass(20_000, monkeypatch)
    kitchen.supervisor.in_contact_since = monotonic()
    assert kitchen.judge(run_id) == "claimed"
    kitchen.supervisor.in_contact_since = LONG_AGO
    assert kitchen.judge(run_id) == "worker_lost"
    with pytest.raises(OwnershipLost):
        kitchen.store.command(run_id, Renew("far"))


def test_a_renewed_lease_does_not_end(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = kitchen.claimed(FAR)
    kitchen.let_pass(20_000, monkeypatch)
    kitchen.store.command(run_id, Renew("far"))
    kitchen.supervisor.in_contact_since = LONG_AGO
    assert kitchen.judge(run_id) == "claimed"


def test_contact_begins_anew_after_an_outage(kitchen: Kitchen) -> None:
    kitchen.supervisor.in_contact_since, kitchen.supervisor.last_round = LONG_AGO, monotonic()
    kitchen.supervisor.note_contact()
    assert kitchen.supervisor.in_contact_since == LONG_AGO
    kitchen.supervisor.last_round = LONG_AGO
    kitchen.supervisor.note_contact()
    assert kitchen.supervisor.in_contact_since > LONG_AGO


def test_an_owner_that_does_not_obey_a_cancel_is_killed_after_the_grace(
    kitchen: Kitchen, sleeper: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = kitchen.claimed(sleeper)
    kitchen.artifacts.write_resume(run_id, 1, {"state": b"x"})
    kitchen.store.command(run_id, Ask("cancel"))
    assert kitchen.judge(run_id) == "claimed"
    kitchen.let_pass(OBEY_MS + 1, monkeypatch)
    assert kitchen.judge(run_id) == "cancelled_by_user"
    assert kitchen.store.record(run_id).transitions[-1].actor == "supervisor"
    assert kitchen.artifacts.newest_resume(run_id).state is None
    wait_until(lambda: start_time(sleeper.pid) is None)


def test_an_owner_that_is_only_asked_to_pause_is_not_killed(
    kitchen: Kitchen, sleeper: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = kitchen.claimed(sleeper)
    kitchen.store.command(run_id, Ask("pause"))
    kitchen.let_pass(OBEY_MS + 1, monkeypatch)
    assert kitchen.judge(run_id) == "claimed"
    assert start_time(sleeper.pid) is not None


@pytest.mark.parametrize(
    ("waiting", "idle", "busy", "rung", "unanswered"),
    [(0, 2, 0, 0, 0), (3, 2, 0, 0, 2), (1, 2, 0, 0, 1), (3, 0, 2, 0, 0), (3, 2, 1, 1, 2), (2, 2, 0, 5, 5)],
)
def test_it_rings_for_runs_that_idle_workers_could_take(
    kitchen: Kitchen, waiting: int, idle: int, busy: int, rung: int, unanswered: int
) -> None:
    for _ in range(waiting):
        kitchen.put()
    for number, status in enumerate(["idle"] * idle + ["busy"] * busy):
        info = {"host": "here", "pid": 1, "device": "cpu", "memory_bytes": 1, "started_at": "", "seen_at": ""}
        kitchen.store.put_worker(Worker.model_validate({"name": f"w{number}", "status": status, **info}), ttl=60)
    kitchen.wake_queue.ring(rung)
    kitchen.supervisor.ring_for_waiting()
    assert kitchen.wake_queue.unanswered() == unanswered


def test_a_replaced_checkpoint_goes_ten_minutes_later(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = kitchen.claimed(FAR)
    first, second = (publish_best(kitchen, run_id, epoch) for epoch in (1, 2))
    kitchen.supervisor.forget_replaced()
    assert kitchen.artifacts.checkpoint_path(run_id, first).exists()
    kitchen.let_pass(KEEP_REPLACED_MS, monkeypatch)
    kitchen.supervisor.forget_replaced()
    assert kitchen.store.record(run_id).digests() == {second}
    assert not kitchen.artifacts.checkpoint_path(run_id, first).exists()
    assert kitchen.artifacts.checkpoint_path(run_id, second).exists()
    assert kitchen.store.forgettable(kitchen.store.now()) == []


def publish_best(kitchen: Kitchen, run_id: str, epoch: int) -> str:
    """Its digest."""
    stored = kitchen.artifacts.write_checkpoint(run_id, b"%d" % epoch, {})
    checkpoint = Checkpoint(epoch=epoch, roles=("best",), metrics={}, sha256=stored.sha256, bytes=stored.bytes)
    best = Best(epoch=epoch, monitor="validation_loss", value=1 / epoch)
    kitchen.store.command(run_id, PublishCheckpoint("far", checkpoint, best))
    return stored.sha256


def test_it_ends_once_the_service_names_another_folder(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.supervisor.round()
    name_folder(Settings(home=tmp_path / "service"), kitchen.store)
    with pytest.raises(FolderNotShared, match="BAKEHOUSE_HOME"):
        kitchen.supervisor.round()


def test_it_ends_also_while_redis_is_away(tmp_path: Path) -> None:
    settings = {"BAKEHOUSE_REDIS_URL": f"unix://{tmp_path}/nobody.sock", "BAKEHOUSE_WORKERS": "0"}
    command = [sys.executable, "-P", "-m", "worker.main"]
    with subprocess.Popen(command, env={**os.environ, **settings, "BAKEHOUSE_HOME": str(tmp_path)}) as supervisor:
        wait_until(lambda: handles_sigterm(supervisor.pid))
        supervisor.terminate()
        assert supervisor.wait(20) == 0


def handles_sigterm(pid: int) -> bool:
    """Whether the process has a handler of its own."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
