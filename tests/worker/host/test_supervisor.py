"""What the supervisor does once a second, on a real Redis."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from redis import Redis

from bakehouse.experiments.store import ExperimentStore
from bakehouse.processes import RestartingProcess
from bakehouse.runs.artifacts import MANIFEST, Artifacts
from bakehouse.runs.commands import Cancel, PublishCheckpoint, Renew, RequestAction, Succeed
from bakehouse.runs.errors import FolderNotShared, OwnershipLost, StorageUnavailable
from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import register_folder
from bakehouse.runs.patience import limit_patience
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Cell, Checkpoint, TaskProcess, Worker
from bakehouse.runs.store import Store, connect
from bakehouse.runs.transitions import KEEP_REPLACED_MS
from bakehouse.settings import Settings
from bakehouse.store.object_store import MARKER
from tests.processes import wait_until
from tests.runs.examples import PROVENANCE, a_run, a_worker, an_owner
from tests.stored_runs import SHORT, store_run
from worker.host import supervisor as supervisor_module
from worker.host import watch
from worker.host.jobs import wake_for_next_run
from worker.host.owner import start_time, this_process
from worker.host.supervisor import CANCEL_GRACE_SECONDS, FOLDER_GRACE_SECONDS, Supervisor

# On another machine: nobody can tell whether it lives.
FAR = Owner(nonce="far", host="elsewhere", boot_id="", pid=1, start_time=1)
LONG_AGO = -1e6


class Supervised:
    """A store and its supervisor, without workers, whose clocks can be set."""

    def __init__(self, settings: Settings) -> None:
        assert settings.redis_url is not None
        self.redis = connect(settings.redis_url, patient=True)
        self.settings = settings
        self.artifacts = Artifacts(settings.artifacts)
        self.store = Store(self.redis, lease_seconds=settings.lease_seconds, artifacts=self.artifacts)
        self.wake_queue = WakeQueue(self.redis)
        self.supervisor = Supervisor(settings, self.store, self.wake_queue, ExperimentStore(self.redis, self.store))

    def store_run(self) -> str:
        return store_run(self.store, self.settings, SHORT)

    def claimed(self, owner: Owner) -> str:
        run_id = self.store_run()
        record = self.store.claim(owner)
        assert record is not None
        self.supervisor.leases.seconds(run_id, record.lease_until)
        return run_id

    def check_owner(self, run_id: str) -> str:
        """Checks the run's owner; returns the reason of its last transition."""
        self.supervisor.check_owner(self.store.record(run_id))
        return self.store.record(run_id).reason

    def let_pass(self, milliseconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Moves all clocks forward."""
        self.set_redis(milliseconds, monkeypatch)
        before = watch.seconds_up
        for module in (watch, supervisor_module):
            monkeypatch.setattr(module, "seconds_up", lambda: before() + milliseconds / 1000)

    def set_redis(self, milliseconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sets Redis's clock forward or back."""
        clock = self.store._operations.reads.clock
        now = clock.now
        monkeypatch.setattr(clock, "now", lambda: now() + round(milliseconds))


@pytest.fixture
def supervised(redis_url: str, tmp_path: Path) -> Supervised:
    return Supervised(Settings(home=tmp_path, redis_url=redis_url, workers=0))


@pytest.fixture
def sleeper() -> Iterator[Owner]:
    """A training process that obeys no request."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield this_process().model_copy(update={"pid": process.pid, "start_time": start_time(process.pid)})
        process.kill()


def test_a_dead_owner_loses_its_run_at_once(supervised: Supervised) -> None:
    dead = this_process().model_copy(update={"start_time": 1})
    run_id = supervised.claimed(dead)
    supervised.artifacts.write_resume(run_id, 1, {"state": b"x"})
    assert supervised.check_owner(run_id) == "worker_lost"
    assert supervised.artifacts.newest_resume(run_id).state is not None


def test_a_living_owner_keeps_its_run(supervised: Supervised) -> None:
    supervised.supervisor.in_contact_since = LONG_AGO
    assert supervised.check_owner(supervised.claimed(this_process())) == "claimed"


def test_a_lease_ends_only_after_a_full_lease_of_contact(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = supervised.claimed(FAR)
    supervised.let_pass(20_000, monkeypatch)
    supervised.supervisor.in_contact_since = watch.seconds_up()
    assert supervised.check_owner(run_id) == "claimed"
    supervised.supervisor.in_contact_since = LONG_AGO
    assert supervised.check_owner(run_id) == "worker_lost"
    with pytest.raises(OwnershipLost):
        supervised.store.command(run_id, Renew("far"))


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000])
def test_leases_end_by_the_time_that_passes_and_not_by_redis_clock(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    run_id = supervised.claimed(FAR)
    supervised.supervisor.in_contact_since = LONG_AGO
    supervised.set_redis(jump, monkeypatch)
    assert supervised.check_owner(run_id) == "claimed"
    supervised.let_pass(9_000, monkeypatch)
    supervised.store.command(run_id, Renew("far"))
    assert supervised.check_owner(run_id) == "claimed"
    supervised.let_pass(9_000, monkeypatch)
    assert supervised.check_owner(run_id) == "claimed"
    supervised.let_pass(2_000, monkeypatch)
    assert supervised.check_owner(run_id) == "worker_lost"


def test_a_renewed_lease_does_not_end(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = supervised.claimed(FAR)
    supervised.let_pass(20_000, monkeypatch)
    supervised.store.command(run_id, Renew("far"))
    supervised.supervisor.in_contact_since = LONG_AGO
    assert supervised.check_owner(run_id) == "claimed"


@pytest.mark.parametrize(("is_cancelled", "reason"), [(False, "worker_lost"), (True, "cancelled_by_user")])
def test_an_owner_of_this_machine_that_hangs_is_killed_when_its_lease_ends(
    supervised: Supervised, sleeper: Owner, monkeypatch: pytest.MonkeyPatch, is_cancelled: bool, reason: str
) -> None:
    run_id = supervised.claimed(sleeper)
    if is_cancelled:
        supervised.store.command(run_id, RequestAction("cancel"))
    supervised.let_pass(11_000, monkeypatch)
    supervised.supervisor.in_contact_since = LONG_AGO
    assert supervised.check_owner(run_id) == reason
    wait_until(lambda: start_time(sleeper.pid) is None)


def test_a_cancelled_run_of_a_dead_owner_ends_without_another_attempt(supervised: Supervised) -> None:
    run_id = supervised.claimed(this_process().model_copy(update={"start_time": 1}))
    supervised.store.command(run_id, RequestAction("cancel"))
    assert supervised.check_owner(run_id) == "cancelled_by_user"


@pytest.mark.parametrize("refuse", [{"maxmemory": "1"}, {"min-replicas-to-write": "1"}])
def test_leases_do_not_end_while_redis_refuses_writes(
    supervised: Supervised,
    sleeper: Owner,
    redis_url: str,
    refuse: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit_patience(supervised.redis, 0.1)
    run_id = supervised.claimed(sleeper)
    supervised.let_pass(20_000, monkeypatch)
    supervised.supervisor.in_contact_since = supervised.supervisor.last_contact = LONG_AGO
    with Redis.from_url(redis_url) as redis:
        for name, value in refuse.items():
            redis.config_set(name, value)
        for _ in range(3):
            supervised.supervisor.tick()
        for name in refuse:
            redis.config_set(name, "0")
        assert len(caplog.messages) == 1
        supervised.supervisor.tick()
        assert len(caplog.messages) == 1
        assert redis.keys("*never*") == []
    assert start_time(sleeper.pid) is not None
    assert supervised.store.record(run_id).owner == sleeper


def test_the_supervisor_keeps_its_children_running_while_redis_is_away(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url=f"unix://{tmp_path}/missing.sock", workers=0)
    supervised = Supervised(settings)
    limit_patience(supervised.redis, 0.1)
    supervised.supervisor.children = [RestartingProcess("sleep", lambda: subprocess.Popen(["/bin/sleep", "600"]))]
    supervised.supervisor.tick()
    (child,) = supervised.supervisor.children
    assert child.process is not None
    assert child.process.poll() is None
    supervised.supervisor.end()


def test_an_error_in_one_part_is_printed_once_and_stops_no_other_part(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    dead = this_process().model_copy(update={"start_time": 1})
    run_ids = [supervised.claimed(dead) for _ in range(2)]
    monkeypatch.setattr(supervised.supervisor.artifacts, "clean_up_after", crash)
    monkeypatch.setattr(supervised.store, "purgeable", crash)
    for _ in range(2):
        supervised.supervisor.tick()
    assert [supervised.store.record(run_id).reason for run_id in run_ids] == ["worker_lost"] * 2
    assert capfd.readouterr().err.count("Traceback") == 1


def test_contact_is_counted_again_after_an_outage(supervised: Supervised) -> None:
    supervised.supervisor.in_contact_since, supervised.supervisor.last_contact = LONG_AGO, monotonic()
    supervised.supervisor.track_outage()
    assert supervised.supervisor.in_contact_since == LONG_AGO
    supervised.supervisor.last_contact = LONG_AGO
    supervised.supervisor.track_outage()
    assert supervised.supervisor.in_contact_since > LONG_AGO


def test_an_owner_that_does_not_obey_a_cancel_is_killed_after_a_grace(
    supervised: Supervised, sleeper: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = supervised.claimed(sleeper)
    supervised.artifacts.write_resume(run_id, 1, {"state": b"x"})
    supervised.store.command(run_id, RequestAction("cancel"))
    assert supervised.check_owner(run_id) == "claimed"
    supervised.let_pass(1000 * CANCEL_GRACE_SECONDS + 1, monkeypatch)
    # The owner renews its lease meanwhile.
    supervised.supervisor.in_contact_since = watch.seconds_up()
    assert supervised.check_owner(run_id) == "cancelled_by_user"
    assert supervised.store.record(run_id).transitions[-1].actor == "supervisor"
    assert supervised.artifacts.newest_resume(run_id).state is None
    wait_until(lambda: start_time(sleeper.pid) is None)


def test_an_owner_that_is_only_asked_to_pause_is_not_killed(
    supervised: Supervised, sleeper: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = supervised.claimed(sleeper)
    supervised.store.command(run_id, RequestAction("pause"))
    supervised.let_pass(1000 * CANCEL_GRACE_SECONDS + 1, monkeypatch)
    # The owner renews its lease meanwhile.
    supervised.supervisor.in_contact_since = watch.seconds_up()
    assert supervised.check_owner(run_id) == "claimed"
    assert start_time(sleeper.pid) is not None


@pytest.mark.parametrize(
    ("waiting", "idle", "busy", "woken", "pending"),
    [(0, 2, 0, 0, 0), (3, 2, 0, 0, 2), (1, 2, 0, 0, 1), (3, 0, 2, 0, 0), (3, 2, 1, 1, 2), (2, 2, 0, 5, 5)],
)
def test_as_many_workers_are_woken_as_could_take_waiting_runs(
    supervised: Supervised, waiting: int, idle: int, busy: int, woken: int, pending: int
) -> None:
    for _ in range(waiting):
        supervised.store_run()
    for number, status in enumerate(["idle"] * idle + ["busy"] * busy):
        info = {"host": "here", "pid": 1, "device": "cpu", "memory_bytes": 1, "started_at": "", "seen_at": ""}
        supervised.store.put_worker(Worker.model_validate({"name": f"w{number}", "status": status, **info}), ttl=60)
    supervised.wake_queue.wake(woken)
    supervised.supervisor.wake_idle_workers()
    assert supervised.wake_queue.pending() == pending


def test_no_worker_is_woken_for_runs_that_their_experiment_holds_back(supervised: Supervised) -> None:
    store = supervised.store
    cell = Cell(id="exp_a", arm="recipe", seed=0)
    supervised.redis.hset(Keys().experiment("exp_a"), "max_running", "1")
    runs = [store.create(a_run().model_copy(update={"experiment": cell})).run.id for _ in range(3)]
    for name in ("w1", "w2"):
        store.put_worker(a_worker(name), ttl=60)
    supervised.supervisor.wake_idle_workers()
    assert supervised.wake_queue.pending() == 1
    supervised.redis.delete("rq:queue:bakehouse")
    assert store.claim(an_owner()) is not None
    supervised.supervisor.wake_idle_workers()
    wake_for_next_run(store, supervised.wake_queue)
    assert supervised.wake_queue.pending() == 0
    # The worker that ends the run wakes one for the next.
    store.command(runs[0], Succeed("first", "epochs_done", PROVENANCE))
    wake_for_next_run(store, supervised.wake_queue)
    assert supervised.wake_queue.pending() == 1


def test_processes_of_this_machine_that_were_killed_are_not_listed(supervised: Supervised, sleeper: Owner) -> None:
    store = supervised.store
    status = {"host": "any", "pid": 1, "started_at": "", "seen_at": "", "status": "idle"}
    for name, process in {"mine": sleeper, "far": FAR, "earlier_version": None}.items():
        worker = Worker.model_validate({"name": name, "device": "cpu", "memory_bytes": 1, **status})
        store.put_worker(worker, ttl=60, process=process)
        store.put_task_process(TaskProcess.model_validate({"name": f"{name}-tasks", **status}), ttl=60, process=process)
    register_folder(supervised.settings, store)
    supervised.supervisor.tick()
    assert [worker.name for worker in store.workers()] == ["earlier_version", "far", "mine"]
    assert [process.name for process in store.task_processes()] == ["earlier_version-tasks", "far-tasks", "mine-tasks"]
    os.kill(sleeper.pid, signal.SIGKILL)
    wait_until(lambda: start_time(sleeper.pid) is None)
    supervised.supervisor.tick()
    assert [worker.name for worker in store.workers()] == ["earlier_version", "far"]
    assert [process.name for process in store.task_processes()] == ["earlier_version-tasks", "far-tasks"]
    assert list(store.processes()) == ["far", "far-tasks"]


def test_a_replaced_checkpoint_is_purged_ten_minutes_later(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = supervised.claimed(FAR)
    first, second = (publish_best(supervised, run_id, epoch) for epoch in (1, 2))
    supervised.supervisor.purge_replaced()
    assert supervised.artifacts.checkpoint_path(run_id, first).exists()
    supervised.let_pass(KEEP_REPLACED_MS + 1000, monkeypatch)
    supervised.supervisor.purge_replaced()
    assert supervised.store.record(run_id).digests() == {second}
    assert not supervised.artifacts.checkpoint_path(run_id, first).exists()
    assert supervised.artifacts.checkpoint_path(run_id, second).exists()
    assert supervised.store.purgeable(supervised.store.now()) == []


def test_the_files_of_deleted_runs_are_deleted_if_the_service_has_ended_before_that(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = supervised.claimed(FAR)
    digest = publish_best(supervised, run_id, 1)
    supervised.store.command(run_id, Succeed("far", "epochs_done", PROVENANCE, {}))
    assert supervised.store.delete_all([run_id]) == [run_id]
    supervised.supervisor.delete_left_files()
    # The service deletes them by itself.
    assert supervised.artifacts.checkpoint_path(run_id, digest).exists()
    supervised.let_pass(6000, monkeypatch)
    supervised.supervisor.delete_left_files()
    assert not supervised.artifacts.checkpoint_path(run_id, digest).exists()
    assert supervised.store.deleted(limit=10) == []


def publish_best(supervised: Supervised, run_id: str, epoch: int) -> str:
    """Publishes a best checkpoint; returns its digest."""
    stored = supervised.artifacts.write_checkpoint(run_id, b"%d" % epoch, {})
    checkpoint = Checkpoint(epoch=epoch, roles=("best",), metrics={}, sha256=stored.sha256, bytes=stored.bytes)
    best = Best(epoch=epoch, monitor="validation_loss", value=1 / epoch)
    supervised.store.command(run_id, PublishCheckpoint("far", checkpoint, best))
    return stored.sha256


def test_resume_states_of_a_run_that_is_over_are_deleted_once_the_disk_allows_it(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    running, over = (supervised.claimed(FAR) for _ in range(2))
    for run_id in (running, over):
        supervised.artifacts.write_resume(run_id, 1, {"state": b"x"})
    # The process died right after this.
    supervised.store.command(over, RequestAction("cancel"))
    supervised.store.command(over, Cancel(FAR.nonce))
    with monkeypatch.context() as patch:
        patch.setattr("bakehouse.runs.artifacts.shutil.rmtree", refuse)
        supervised.supervisor.tick()
    supervised.supervisor.tick()
    assert list(supervised.settings.artifacts.glob(f"local/{over}/resume/*")) == []
    assert supervised.artifacts.newest_resume(running).state is not None
    assert supervised.store.unclean(limit=9) == []
    assert "Traceback" in capfd.readouterr().err


def refuse(*_: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_the_supervisor_ends_once_the_service_names_another_folder(supervised: Supervised, tmp_path: Path) -> None:
    supervised.supervisor.tick()
    supervised.artifacts.make_marker()
    register_folder(Settings(home=tmp_path / "service"), supervised.store)
    with pytest.raises(FolderNotShared, match="has a different marker"):
        supervised.supervisor.tick()


def remove_marker(marker: Path) -> None:
    marker.rename(marker.with_name("moved"))


def make_unreadable(marker: Path) -> None:
    """Makes the marker's manifest a link to itself, which cannot be opened."""
    marker.rename(marker.with_name("moved"))
    marker.mkdir()
    (marker / MANIFEST).symlink_to(marker / MANIFEST)


def restore(marker: Path) -> None:
    (marker / MANIFEST).unlink(missing_ok=True)
    marker.with_name("moved").replace(marker)


@pytest.mark.parametrize("spoil", [remove_marker, make_unreadable])
def test_the_supervisor_waits_for_a_folder_that_cannot_be_read(
    supervised: Supervised, spoil: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    register_folder(supervised.settings, supervised.store)
    dead = this_process().model_copy(update={"start_time": 1})
    run_id = supervised.claimed(dead)
    marker = supervised.settings.artifacts / "local" / MARKER
    spoil(marker)
    supervised.supervisor.tick()
    assert "the workers end if this lasts 30 s" in capfd.readouterr().err
    # Without the folder nothing is changed: the dead owner keeps its run.
    assert supervised.store.record(run_id).owner is not None
    assert supervised.supervisor.folder_lost_since is not None
    supervised.supervisor.folder_lost_since -= FOLDER_GRACE_SECONDS - 5
    supervised.supervisor.tick()
    restore(marker)
    supervised.supervisor.tick()
    assert supervised.store.record(run_id).owner is None
    # The time is counted from the beginning again.
    spoil(marker)
    supervised.supervisor.tick()
    supervised.supervisor.folder_lost_since -= FOLDER_GRACE_SECONDS
    with pytest.raises(FolderNotShared, match="could not be read for 30 s"):
        supervised.supervisor.tick()


def test_the_supervisor_ends_at_once_if_the_marker_in_redis_is_damaged(supervised: Supervised, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set(Keys().marker(), "{")
    with pytest.raises(FolderNotShared, match=f"Delete the key {Keys().marker()}"):
        supervised.supervisor.tick()


def test_the_supervisor_ends_also_while_redis_is_away(tmp_path: Path) -> None:
    settings = {"BAKEHOUSE_REDIS_URL": f"unix://{tmp_path}/missing.sock", "BAKEHOUSE_WORKERS": "0"}
    command = [sys.executable, "-P", "-m", "worker.main"]
    with subprocess.Popen(command, env={**os.environ, **settings, "BAKEHOUSE_HOME": str(tmp_path)}) as supervisor:
        wait_until(lambda: handles_sigterm(supervisor.pid))
        supervisor.terminate()
        assert supervisor.wait(20) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"BAKEHOUSE_WORKERS": "many"}, "BAKEHOUSE_WORKERS is 'many'"),
        ({"BAKEHOUSE_REDIS_URL": "http://x"}, "should begin with redis://"),
        ({"BAKEHOUSE_REDIS_URL": ""}, "BAKEHOUSE_REDIS_URL is not set"),
        ({"BAKEHOUSE_DEVICE": "cudaa"}, "BAKEHOUSE_DEVICE is cudaa, which cannot be used here"),
    ],
)
def test_workers_do_not_start_with_a_wrong_setting(settings: dict[str, str], words: str, tmp_path: Path) -> None:
    chosen = {"BAKEHOUSE_REDIS_URL": f"unix://{tmp_path}/missing.sock", "BAKEHOUSE_HOME": str(tmp_path), **settings}
    environment = {name: value for name, value in {**os.environ, **chosen}.items() if value}
    command = [sys.executable, "-P", "-m", "worker.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "exited with code" not in ended.stderr


def handles_sigterm(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_the_log_of_a_run_that_ended_long_ago_moves_into_a_file(supervised: Supervised) -> None:
    run_id = supervised.claimed(this_process())
    supervised.store.command(run_id, RequestAction("cancel"))
    supervised.store.command(run_id, Cancel(supervised.store.record(run_id).owner.nonce))  # type: ignore[union-attr]
    events = supervised.store.events(run_id)
    supervised.supervisor.archive_finished()
    assert not supervised.store.record(run_id).archived
    supervised.supervisor.settings = supervised.settings.model_copy(update={"archive_after_seconds": 0})
    supervised.supervisor.archive_finished()
    assert supervised.store.record(run_id).archived
    assert not supervised.redis.exists(Keys().log(run_id))
    assert supervised.store.events(run_id) == events
    # Another supervisor may have listed the run before, and reads the log while this one writes it.
    folder = supervised.artifacts._run(run_id) / "log"
    shutil.rmtree(folder)
    Supervised(supervised.settings).supervisor.archive(run_id)
    assert not folder.exists()


def test_a_run_whose_log_lacks_events_does_not_keep_others_from_being_archived(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "RUNS_PER_TICK", 1)
    runs = [supervised.store_run() for _ in range(2)]
    for run_id in runs:
        supervised.store.command(run_id, RequestAction("cancel"))
    supervised.redis.delete(Keys().log(runs[0]))
    supervised.supervisor.settings = supervised.settings.model_copy(update={"archive_after_seconds": 0})
    for _ in range(3):
        supervised.supervisor.archive_finished()
    assert [supervised.store.record(run_id).archived for run_id in runs] == [False, True]
    assert not list(supervised.artifacts._run(runs[0]).rglob("log*"))


def test_a_store_that_is_away_is_waited_for_once(supervised: Supervised) -> None:
    tried = []

    def part(run_id: str) -> None:
        tried.append(run_id)
        raise StorageUnavailable("it does not answer")

    supervised.supervisor.for_each(["run_1", "run_2", "run_3"], part)
    assert tried == ["run_1"]
    # The files of that run alone may be what cannot be used.
    for _ in range(2):
        supervised.supervisor.for_each(["run_1", "run_2", "run_3"], part)
    assert tried == ["run_1", "run_1", "run_2"]
