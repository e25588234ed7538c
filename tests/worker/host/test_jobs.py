"""The job of a worker's child: runs fail, each with its reason, and the worker trains the next run after each."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from bakehouse.plan.plan import Plan
from bakehouse.runs.attempt_logs import read_attempt_log
from bakehouse.runs.commands import Batch, NoteVerified, Renew, RequestAction, Succeed
from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import register_folder
from bakehouse.runs.record import Record
from bakehouse.runs.run import Expected, Verification, Verified
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bakehouse.store.object_store import MARKER
from tests.processes import kill, wait_until
from tests.running_worker import RunningWorker, run_worker
from tests.runs.examples import PROVENANCE, a_run, an_owner
from tests.stored_runs import ENDLESS, SHORT, Document, events_of
from worker.host.jobs import RedisRecordStore, fits

# A worker takes 330 MB before it trains anything.
MEMORY_BYTES = 700_000_000
DIVERGING: Document = {
    "dataset": "diabetes",
    "architecture": "linear",
    "optimizer": {"type": "sgd", "lr": 1000},
    "schedule": {"type": "constant", "warmup_epochs": 2000},
    "epochs": 2000,
}
# The estimate is 650 MB.
HUNGRY: Document = {
    **SHORT, "dataset": "digits", "architecture": {"type": "cnn", "channels": [340], "hidden": []}, "batch_size": 1437,
}  # fmt: skip
OVERSIZED: Document = {**SHORT, "architecture": {"type": "mlp", "hidden": [8000, 8000]}}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "data").mkdir()
    with run_worker(folder / "home", data=folder / "data", memory_bytes=MEMORY_BYTES) as worker:
        yield worker


@pytest.fixture(autouse=True)
def _worker_trains_the_next_run(worker: RunningWorker) -> Iterator[None]:
    """After each test the same process still trains a run."""
    yield
    assert worker.wait_for(worker.submit(SHORT), "succeeded", "failed").reason == "epochs_done"
    assert worker.prefork.poll() is None


def test_a_loss_that_is_not_finite_fails_the_run_and_keeps_its_last_finite_best(worker: RunningWorker) -> None:
    record = worker.wait_for(worker.submit(DIVERGING), "failed")
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("non_finite", "/optimizer/lr")
    (best,) = (item for item in record.checkpoints if "best" in item.roles)
    assert record.best is not None
    assert best.metrics["validation_loss"] == record.best.value
    weights = load_file(worker.artifacts.checkpoint_path(record.id, best.sha256))
    assert all((abs(array) < float("inf")).all() for array in weights.values())
    assert None in [event.data.get("train_loss", 0.0) for event in events_of(worker.store, record.id)]


def test_a_run_that_needs_more_memory_than_estimated_fails_with_out_of_memory(worker: RunningWorker) -> None:
    record = worker.wait_for(worker.submit(HUNGRY), "failed")
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("out_of_memory", "/batch_size")


def test_a_run_that_does_not_fit_is_left_for_a_larger_worker(worker: RunningWorker) -> None:
    run_id = worker.store_run(OVERSIZED)
    assert worker.wait_for(worker.submit(SHORT), "succeeded").attempt == 1
    assert worker.store.record(run_id).status == "queued"
    worker.store.command(run_id, RequestAction("cancel"))


def test_runs_that_share_a_wake_up_are_trained_one_after_the_other(worker: RunningWorker) -> None:
    runs = [worker.store_run(SHORT) for _ in range(3)]
    worker.wake_queue.wake()
    ended = [worker.wait_for(run_id, "succeeded") for run_id in runs]
    assert sorted(record.finished_at or "" for record in ended) == [record.finished_at for record in ended]
    assert worker.wake_queue.pending() == 0


@pytest.mark.parametrize(("memory_bytes", "expected"), [(1, False), (1 << 40, True)])
def test_the_plan_decides_what_fits(worker: RunningWorker, memory_bytes: int, expected: bool) -> None:
    run_id = worker.store_run(SHORT)
    assert fits(worker.settings, memory_bytes, worker.store.record(run_id)) is expected
    worker.store.command(run_id, RequestAction("cancel"))


def test_a_run_whose_planning_crashes_is_claimed_so_that_it_fails(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object) -> Plan:
        raise KeyError("norm")

    run_id = worker.store_run(SHORT)
    monkeypatch.setattr("worker.host.jobs.make_plan", crash)
    assert fits(worker.settings, 1, worker.store.record(run_id))
    assert f"The run {run_id} cannot be planned, so its attempt fails: KeyError('norm')" in capfd.readouterr().err
    worker.store.command(run_id, RequestAction("cancel"))


def test_a_run_with_a_damaged_card_fails_and_the_queue_moves_on(worker: RunningWorker) -> None:
    def damage(table: Path) -> None:
        (card,) = worker.settings.datasets.glob(f"{table.stem}-*/card.json")
        card.write_text("{}")

    run_id = store_run_and_change_its_data(worker, "scratched", damage)
    next_id = worker.submit(SHORT)
    assert worker.wait_for(next_id, "succeeded").attempt == 1
    failure = worker.wait_for(run_id, "failed").failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("internal", True)
    assert failure.exception is not None
    assert failure.exception.startswith("ValidationError: ")
    assert failure.frame is not None
    assert failure.frame.startswith("bakehouse/data/packed_folders.py, line ")
    log = read_attempt_log(worker.artifacts.attempts_folder(run_id))
    assert log is not None
    assert "Traceback (most recent call last)" in log.text
    assert "ValidationError: " in log.text


def test_a_missing_data_set_fails_the_run(worker: RunningWorker) -> None:
    record = worker.wait_for(store_run_and_change_its_data(worker, "gone", Path.unlink), "failed")
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("dataset", "/dataset")
    assert "gone" in record.failure.message


def test_an_unreadable_data_set_fails_the_run(worker: RunningWorker) -> None:
    record = worker.wait_for(
        store_run_and_change_its_data(worker, "torn", lambda path: path.write_text("no table")), "failed"
    )
    assert record.failure is not None
    assert record.failure.code == "dataset"


def test_a_set_that_was_replaced_while_its_run_waited_fails_the_run(worker: RunningWorker) -> None:
    others = "width,y\n" + "".join(f"{row / 8},{'odd' if row % 2 else 'even'}\n" for row in range(40))
    record = worker.wait_for(
        store_run_and_change_its_data(worker, "other", lambda path: path.write_text(others)), "failed"
    )
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("dataset_changed", "/dataset/id")
    assert record.failure.message.startswith("The data set other has changed since this run was submitted. Submit")
    assert (record.failure.retryable, record.best, record.checkpoints) == (False, None, ())


def test_a_run_whose_set_was_replaced_is_claimed_by_any_worker(worker: RunningWorker) -> None:
    run_id = worker.store_run(SHORT)
    record = worker.store.record(run_id)
    assert not fits(worker.settings, 1, record)
    assert fits(worker.settings, 1, record.model_copy(update={"dataset_fingerprint": "sha256:1"}))
    worker.store.command(run_id, RequestAction("cancel"))


def test_a_run_begins_with_the_weights_of_another_and_fails_without_them(worker: RunningWorker) -> None:
    source = worker.wait_for(worker.submit(SHORT), "succeeded")
    (best,) = (item for item in source.checkpoints if "best" in item.roles)
    path = worker.artifacts.checkpoint_path(source.id, best.sha256)
    transfer = {"type": "transfer", "checkpoint": source.id, "layers": "all"}
    document = {**SHORT, "optimizer": {"type": "sgd", "lr": 1e-30}, "pretraining": transfer}
    record = worker.wait_for(worker.submit(document), "succeeded")
    (kept,) = (item for item in record.checkpoints if "best" in item.roles)
    before, after = load_file(path), load_file(worker.artifacts.checkpoint_path(record.id, kept.sha256))
    assert {name: array.tobytes() for name, array in after.items()} == {
        name: array.tobytes() for name, array in before.items()
    }
    run_id = worker.store_run(document)
    path.unlink()
    worker.wake_queue.wake()
    failure = worker.wait_for(run_id, "failed").failure
    assert failure is not None
    assert (failure.code, failure.pointer) == ("checkpoint", "/pretraining/checkpoint")


def store_run_and_change_its_data(worker: RunningWorker, name: str, change: Callable[[Path], object]) -> str:
    """A run on a table that changes before a worker looks at it."""
    assert worker.settings.data is not None
    table = worker.settings.data / f"{name}.csv"
    table.write_text("x,y\n" + "".join(f"{row},{'even' if row % 2 else 'odd'}\n" for row in range(100)))
    run_id = worker.store_run({**SHORT, "dataset": {"id": name, "target": "y"}})
    change(table)
    worker.wake_queue.wake()
    return run_id


def test_a_run_that_kills_its_process_five_times_fails(worker: RunningWorker) -> None:
    run_id, killed = worker.submit(ENDLESS), set[int]()

    def look() -> Record | None:
        record = worker.store.record(run_id)
        if record.owner is not None and record.owner.pid not in killed:
            killed.add(record.owner.pid)
            kill(record.owner.pid)
        return record if record.is_over else None

    record = wait_until(look)
    assert record.reason == "crash_loop"
    assert [item.reason for item in record.transitions].count("worker_lost") == 4

    def look_for_cause() -> bool:
        log = read_attempt_log(worker.artifacts.attempts_folder(run_id), 5)
        return log is not None and "the training process was ended by SIGKILL; if nobody" in log.text

    wait_until(look_for_cause)
    assert [event.type for event in events_of(worker.store, run_id)].count("end") == 1


def test_a_terminated_training_process_releases_its_run_without_a_lost_attempt(worker: RunningWorker) -> None:
    run_id = worker.submit(ENDLESS)
    owner = worker.wait_for(run_id, "running").owner
    assert owner is not None
    os.kill(owner.pid, signal.SIGTERM)

    def look() -> Record | None:
        record = worker.store.record(run_id)
        return record if record.attempt == 2 else None

    record = wait_until(look)
    assert "preempted" in [item.reason for item in record.transitions]
    assert record.attempts_without_progress == 0
    worker.store.command(run_id, RequestAction("cancel"))
    assert worker.wait_for(run_id, "cancelled").transitions[-1].actor == "worker"


def test_a_worker_takes_no_run_of_a_service_with_another_folder(worker: RunningWorker, tmp_path: Path) -> None:
    register_folder(Settings(home=tmp_path), worker.store)
    run_id = worker.submit(SHORT)
    # The second job is taken only after the first has ended.
    worker.wake_queue.wake()
    wait_until(lambda: worker.wake_queue.pending() == 0)
    assert (worker.store.record(run_id).status, worker.store.record(run_id).attempt) == ("queued", 0)
    worker.redis.delete(Keys().marker())
    worker.wake_queue.wake()
    worker.wait_for(run_id, "succeeded")


def test_a_worker_takes_no_run_while_its_folder_cannot_be_read(worker: RunningWorker) -> None:
    marker = worker.settings.artifacts / "local" / MARKER
    register_folder(worker.settings, worker.store)
    marker.rename(marker.with_name("moved"))
    marker.symlink_to(marker)
    run_id = worker.submit(SHORT)
    # The second job is taken only after the first has ended.
    worker.wake_queue.wake()
    wait_until(lambda: worker.wake_queue.pending() == 0)
    assert (worker.store.record(run_id).status, worker.store.record(run_id).attempt) == ("queued", 0)
    marker.unlink()
    marker.with_name("moved").rename(marker)
    worker.wake_queue.wake()
    worker.wait_for(run_id, "succeeded")


def test_no_resume_state_is_left_after_the_end(worker: RunningWorker) -> None:
    record = worker.wait_for(worker.submit({**ENDLESS, "time_budget_seconds": 1.5}), "succeeded")
    assert record.reason == "time_budget"
    assert record.resume_step > 0
    wait_until(lambda: worker.artifacts.newest_resume(record.id).state is None)


def test_the_verdict_of_a_batch_reaches_the_run_that_was_verified(redis_url: str) -> None:
    with connect(redis_url, patient=False) as redis:
        store = Store(redis)
        verified, repeated = (store.create(a_run()).run.id for _ in range(2))
        expected = Expected(reason="epochs_done", step=1, weights={}, metrics={}, device="cpu", threads=1, versions={})
        verification = Verification(run=verified, expected=expected, verdict="identical")
        record = store.claim(an_owner(), fits=lambda record: record.id == repeated)
        assert record is not None
        end = Succeed("first", "epochs_done", PROVENANCE, {}, verification)
        RedisRecordStore(store, record).commit(Batch("first", (Renew("first", 0.0), end)))
        # The note of the submission comes late, and does not hide the verdict.
        store.command(verified, NoteVerified(Verified(run=repeated), actor="service"))
        assert store.get(verified).verified == Verified(run=repeated, verdict="identical")
