"""Attempts at a run whose record is in memory: each way to end, and what the next attempt finds."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from bakehouse.runs.artifacts import Artifacts, StoredCheckpoint
from bakehouse.runs.commands import Claim, Command, OwnerLost, RequestAction, Resume
from bakehouse.runs.errors import OwnershipLost, StorageFull
from bakehouse.runs.record import Record, all_metrics, new_run
from bakehouse.runs.status import Request
from bakehouse.runs.transitions import reduce, submit
from bakehouse.settings import Settings
from tests.runs.examples import an_owner
from tests.small_trainings import DIGITS_CNN, IRIS, Document, make_small_plan, make_training, measure_split
from worker.attempt.attempt import Attempt
from worker.attempt.setup import RunStorage
from worker.attempt.snapshot import POSITION
from worker.evaluation.averaging import Averages
from worker.training.events import NonFinite
from worker.training.training import Training

LONG: Document = {**IRIS, "dropout": 0.2, "epochs": 600, "early_stopping": None}
"""Takes half a second."""
ENDLESS: Document = {**LONG, "epochs": 100_000}


class RecordStore:
    """Holds the record and its events in memory. It calls `react`, which may write, after every command."""

    def __init__(self, document: Document) -> None:
        plan = make_small_plan(document)
        self.now = 1_790_000_000_000
        run = new_run(plan.recipe, advice=(), steps=plan.steps)
        self.record, self.events = submit(run, idempotency=None, now=self.now)
        self.react: Callable[[], None] = lambda: None

    def commit(self, command: Command) -> None:
        self.write(command)
        self.react()

    def write(self, command: Command) -> None:
        self.now += 1
        self.record, events = reduce(self.record, command, self.now)
        self.events += events

    def request_at_epoch(self, request: Request, epoch: int = 1) -> None:
        """Requests an action, once this many epochs are in the log."""

        def react() -> None:
            if self.record.status == "running" and self.record.logged_epoch >= epoch and self.record.request is None:
                self.write(RequestAction(request))

        self.react = react

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The data of the events of a type, without seconds."""
        return [{**event.data, "seconds": 0} for event in self.events if event.type == kind]

    def log_codes(self) -> list[str]:
        return [event.data["code"] for event in self.events if event.type == "log"]


@pytest.fixture
def storage(tmp_path: Path) -> RunStorage:
    return RunStorage(Settings(home=tmp_path, device="cpu"), Artifacts(tmp_path / "artifacts"))


def attempt_of(record_store: RecordStore, storage: RunStorage) -> Attempt:
    """The next attempt, before it runs."""
    nonce = f"owner{record_store.record.attempt}"
    record_store.write(Claim(an_owner(nonce), 10**9))
    return Attempt(record_store, nonce, storage)


def run_attempt(record_store: RecordStore, storage: RunStorage) -> Record:
    """Carries out the next attempt; returns the record."""
    attempt_of(record_store, storage).run()
    return record_store.record


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    """The long run without an interruption."""
    home = tmp_path_factory.mktemp("uninterrupted")
    record_store = RecordStore(LONG)
    run_attempt(record_store, RunStorage(Settings(home=home, device="cpu"), Artifacts(home / "artifacts")))
    return record_store


def digests(record_store: RecordStore) -> dict[str, tuple[int, str]]:
    """The epochs and digests of the best and the last weights."""
    return {role: (item.epoch, item.sha256) for item in record_store.record.checkpoints for role in item.roles}


def assert_same_run(record_store: RecordStore, uninterrupted: RecordStore) -> None:
    assert record_store.record.status == "succeeded"
    assert digests(record_store) == digests(uninterrupted)
    assert record_store.logged("step") == uninterrupted.logged("step")
    assert record_store.logged("epoch") == uninterrupted.logged("epoch")
    assert record_store.record.last == uninterrupted.record.last
    assert record_store.record.best == uninterrupted.record.best


def test_a_run_ends_with_its_best_and_last_weights_and_its_provenance(uninterrupted: RecordStore) -> None:
    record = uninterrupted.record
    assert (record.status, record.reason, record.attempt) == ("succeeded", "epochs_done", 1)
    assert set(digests(uninterrupted)) == {"best", "last"}
    assert digests(uninterrupted)["last"][0] == 600
    assert [event["epoch"] for event in uninterrupted.logged("epoch")] == list(range(1, 601))
    assert {"train_loss", "validation_loss", "test_loss"} <= set(all_metrics(record))
    assert record.provenance is not None
    assert record.provenance.weights_sha256 == digests(uninterrupted)["best"][1]
    assert record.provenance.recipe_sha256 == record.recipe_sha256
    assert (record.provenance.exact, record.provenance.threads, record.provenance.seed) == (True, 1, 0)
    [end] = uninterrupted.logged("end")
    assert (end["status"], end["reason"]) == ("succeeded", "epochs_done")


def test_the_best_file_holds_the_weights_that_the_record_describes(storage: RunStorage) -> None:
    record_store = RecordStore({**DIGITS_CNN, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 9})
    record = run_attempt(record_store, storage)
    epoch, sha256 = digests(record_store)["best"]
    training = make_training(record.recipe.canonical())
    path = storage.artifacts.checkpoint_path(record.id, sha256)
    training.model.load_state_dict(safetensors.torch.load_file(path))
    assert record.best is not None
    assert (record.best.epoch, record.best.monitor) == (epoch, "validation_loss")
    assert measure_split(training, "validation")["validation_loss"] == record.best.value
    assert record.best.metrics.items() >= measure_split(training, "test").items()
    with safetensors.safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["bakehouse"])
    recipe = record.recipe.without_names()
    inputs = {"kind": "image", "shape": [1, 8, 8]}
    assert header == {"classes": list(map(str, range(10))), "epoch": epoch, "inputs": inputs, "recipe": recipe}


def test_a_paused_run_resumes_with_the_bits_of_an_uninterrupted_run(
    storage: RunStorage, uninterrupted: RecordStore
) -> None:
    record_store = RecordStore(LONG)
    record_store.request_at_epoch("pause")
    assert run_attempt(record_store, storage).status == "paused"
    assert 0 < record_store.record.resume_step < 1800
    record_store.react = lambda: None
    record_store.write(Resume())
    run_attempt(record_store, storage)
    assert record_store.log_codes() == ["resumed"]
    assert_same_run(record_store, uninterrupted)


def test_a_terminated_attempt_releases_its_run_and_the_next_resumes_it(
    storage: RunStorage, uninterrupted: RecordStore
) -> None:
    record_store = RecordStore(LONG)
    attempt = attempt_of(record_store, storage)
    record_store.react = attempt.terminate
    attempt.run()
    assert (record_store.record.status, record_store.record.reason) == ("queued", "preempted")
    assert record_store.record.attempts_without_progress == 0
    record_store.react = lambda: None
    run_attempt(record_store, storage)
    assert_same_run(record_store, uninterrupted)


@pytest.mark.parametrize(("request_", "reason"), [("stop", "stopped_by_user"), ("prune", "pruned")])
def test_a_stop_or_a_prune_keeps_the_best(storage: RunStorage, request_: Request, reason: str) -> None:
    record_store = RecordStore(ENDLESS)
    record_store.request_at_epoch(request_, 3)
    record = run_attempt(record_store, storage)
    assert (record.status, record.reason) == ("succeeded", reason)
    assert record.progress.epoch == record.logged_epoch >= 3
    assert set(digests(record_store)) == {"best", "last"}


def test_a_stop_of_a_resumed_run_first_catches_up_with_its_log(storage: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)
    attempt_of(record_store, storage)
    # An earlier attempt died after 200 steps and left no resume state.
    record_store.record = record_store.record.model_copy(
        update={"logged_step": 200, "logged_epoch": 66, "request": "stop"}
    )
    record_store.write(OwnerLost(nonce=record_store.record.owner.nonce if record_store.record.owner else None))
    record = run_attempt(record_store, storage)
    assert (record.reason, record.progress.step, record.progress.epoch) == ("stopped_by_user", 200, 67)
    assert [event["epoch"] for event in record_store.logged("epoch")] == [67]
    assert record_store.logged("step") == []


def test_a_cancel_ends_the_run(storage: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)
    record_store.request_at_epoch("cancel")
    assert run_attempt(record_store, storage).status == "cancelled"


class SlowArtifacts(Artifacts):
    """Requests a cancel when the first checkpoint is written, and writes it only after the run has ended."""

    record_store: RecordStore
    ended: Event

    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        self.record_store.react = lambda: self.ended.set() if self.record_store.record.is_over else None
        self.record_store.write(RequestAction("cancel"))
        self.ended.wait(10)
        return super().write_checkpoint(run_id, weights, manifest)


def test_a_cancel_does_not_wait_for_a_checkpoint_that_is_being_written(tmp_path: Path) -> None:
    artifacts = SlowArtifacts(tmp_path)
    record_store = artifacts.record_store = RecordStore(ENDLESS)
    artifacts.ended = Event()
    assert run_attempt(record_store, RunStorage(Settings(home=tmp_path, device="cpu"), artifacts)).status == "cancelled"
    assert record_store.record.checkpoints == ()


def test_a_time_budget_counts_all_attempts(storage: RunStorage) -> None:
    record_store = RecordStore({**ENDLESS, "time_budget_seconds": 0.3})
    record = run_attempt(record_store, storage)
    assert (record.status, record.reason) == ("succeeded", "time_budget")
    assert record.provenance is not None
    assert record.provenance.device_seconds >= 0.3
    used_up = RecordStore({**ENDLESS, "time_budget_seconds": 0.3})
    used_up.record = used_up.record.model_copy(update={"seconds": 0.3})
    record = run_attempt(used_up, storage)
    assert (record.reason, record.progress.epoch) == ("time_budget", 1)


def test_a_loss_that_is_not_finite_fails_the_run_and_keeps_the_best_so_far(storage: RunStorage) -> None:
    rising = {"type": "constant", "warmup_epochs": 30}
    record_store = RecordStore(
        {**DIGITS_CNN, "norm": None, "optimizer": {"type": "sgd", "lr": 1e3}, "schedule": rising, "epochs": 30}
    )
    record = run_attempt(record_store, storage)
    assert record.status == "failed"
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer, record.failure.retryable) == (
        "non_finite",
        "/optimizer/lr",
        False,
    )
    assert record_store.logged("step")[-1]["non_finite"] == ["train_loss"]
    epoch, sha256 = digests(record_store)["best"]
    values = {event["epoch"]: event["validation_loss"] or math.inf for event in record_store.logged("epoch")}
    assert epoch == min(values, key=lambda epoch: values[epoch])
    assert all(bool(tensor.isfinite().all()) for tensor in safetensors.torch.load_file(
        storage.artifacts.checkpoint_path(record.id, sha256)).values())  # fmt: skip


def paused_run(storage: RunStorage, document: Document = LONG) -> RecordStore:
    """A run that was paused, and waits in the queue with a resume state."""
    record_store = RecordStore(document)
    record_store.request_at_epoch("pause")
    run_attempt(record_store, storage)
    record_store.react = lambda: None
    record_store.write(Resume())
    return record_store


def change_state(record_store: RecordStore, storage: RunStorage, change: Callable[[dict[str, Any]], None]) -> None:
    """Writes a newer resume state with a changed position."""
    state = storage.artifacts.newest_resume(record_store.record.id).state
    assert state is not None
    position = json.loads(state.files[POSITION])
    change(position)
    files = {**state.files, POSITION: json.dumps(position).encode()}
    storage.artifacts.write_resume(record_store.record.id, state.step + 1, files)


def test_a_run_without_its_resume_state_begins_again_and_logs_the_step_that_it_lost(
    storage: RunStorage, uninterrupted: RecordStore, tmp_path: Path
) -> None:
    record_store = paused_run(storage)
    lost_step = record_store.record.resume_step
    shutil.rmtree(tmp_path / "artifacts")
    record = run_attempt(record_store, storage)
    [note] = record_store.logged("log")
    assert (note["code"], note["step"]) == ("restarted", lost_step)
    assert f"step {lost_step}" in note["message"]
    assert (record.restarted, record.exact, uninterrupted.record.restarted) == (True, True, False)
    assert_same_run(record_store, uninterrupted)


def test_a_run_that_resumes_from_an_older_state_names_the_step_that_it_lost(
    storage: RunStorage, uninterrupted: RecordStore
) -> None:
    record_store = paused_run(storage)
    kept, lost = record_store.record.resume_step, record_store.record.resume_step + 100
    record_store.record = record_store.record.model_copy(update={"resume_step": lost})
    record = run_attempt(record_store, storage)
    [note] = record_store.logged("log")
    assert note["code"] == "resumed"
    assert f"step {kept}." in note["message"]
    assert f"step {lost} cannot be read" in note["message"]
    assert not record.restarted
    assert_same_run(record_store, uninterrupted)


def test_a_damaged_state_is_logged_and_not_used(
    storage: RunStorage, uninterrupted: RecordStore, tmp_path: Path
) -> None:
    record_store = paused_run(storage)
    [path] = tmp_path.glob("artifacts/local/run_*/resume/*/state.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    record = run_attempt(record_store, storage)
    assert record_store.log_codes() == ["checkpoint_rejected", "restarted"]
    assert record.restarted
    assert not path.exists()
    assert_same_run(record_store, uninterrupted)


def test_an_operation_without_a_deterministic_form_makes_the_run_inexact(
    storage: RunStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Training.update

    def update_in_any_order(training: Training, inputs: Tensor, targets: Tensor) -> None:
        # On a CPU, `put_` is the only operation of which torch warns; on a GPU there are many.
        torch.zeros(1).put_(torch.tensor([0]), torch.ones(1))
        update(training, inputs, targets)

    monkeypatch.setattr(Training, "update", update_in_any_order)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        record_store = RecordStore(IRIS)
        record = run_attempt(record_store, storage)
    finally:
        torch.use_deterministic_algorithms(False)
    assert not record.exact
    assert record.provenance is not None
    assert not record.provenance.exact
    assert record_store.log_codes() == ["inexact"]
    message = next(event.data["message"] for event in record_store.events if event.type == "log")
    assert "put_ has no deterministic form" in message


def rewind(record_store: RecordStore, earlier: Record, events: int) -> None:
    """Takes record and log back to an earlier moment, as a Redis that lost the end of its data."""
    record_store.record = earlier
    record_store.events = record_store.events[:events]
    if earlier.owner is not None:
        record_store.write(OwnerLost(nonce=earlier.owner.nonce))


def history_of(record_store: RecordStore) -> list[tuple[Record, int]]:
    """A list that gets every record of a run, with its number of events, as the run is written."""
    history = [(record_store.record, len(record_store.events))]
    react = record_store.react

    def remember() -> None:
        history.append((record_store.record, len(record_store.events)))
        react()

    record_store.react = remember
    return history


def run_and_rewind(storage: RunStorage, document: Document, choose: Callable[[Record], bool]) -> RecordStore:
    """Pauses a run after some epochs, and takes it back to the first record that is chosen."""
    record_store = RecordStore(document)
    record_store.request_at_epoch("pause", 20)
    history = history_of(record_store)
    assert run_attempt(record_store, storage).status == "paused"
    record_store.react = lambda: None
    rewind(record_store, *next(item for item in history if choose(item[0])))
    return record_store


REWOUND: dict[str, Callable[[Record], bool]] = {
    "before the claim": lambda record: record.attempt == 0,
    "before the first epoch": lambda record: record.attempt == 1,
    "to the first epoch": lambda record: record.logged_epoch > 0,
    "to an epoch whose best weights are not published": lambda record: record.logged_epoch >= 20,
}


@pytest.mark.parametrize("point", REWOUND)
def test_a_run_whose_record_lost_its_end_is_logged_without_a_hole(
    storage: RunStorage, uninterrupted: RecordStore, point: str
) -> None:
    record_store = run_and_rewind(storage, LONG, REWOUND[point])
    logged = record_store.record.logged_step
    record = run_attempt(record_store, storage)
    [note] = record_store.logged("log")
    assert (note["code"], note["logged_step"]) == ("log_rewound", logged)
    assert (record.exact, record.restarted) == (True, False)
    assert_same_run(record_store, uninterrupted)


def test_a_run_whose_record_does_not_know_the_best_weights_finds_them_again(
    storage: RunStorage, uninterrupted: RecordStore
) -> None:
    record_store = paused_run(storage)
    record_store.record = record_store.record.model_copy(update={"best": None, "checkpoints": ()})
    run_attempt(record_store, storage)
    assert record_store.log_codes() == ["log_rewound", "restarted"]
    assert_same_run(record_store, uninterrupted)


def test_diagnostics_that_the_log_lost_are_logged_again(storage: RunStorage, tmp_path: Path) -> None:
    uninterrupted = RecordStore(DIAGNOSED)
    run_attempt(uninterrupted, RunStorage(storage.settings, Artifacts(tmp_path / "uninterrupted")))
    record_store = run_and_rewind(storage, DIAGNOSED, lambda record: record.logged_epoch >= 20)
    # The epochs are logged, and the last one's diagnostics are not.
    last = record_store.record.diagnostics["variance_shift"]
    kept = record_store.record.diagnostics | {"variance_shift": last.model_copy(update={"step": last.step - 1})}
    record_store.record = record_store.record.model_copy(update={"diagnostics": kept})
    run_attempt(record_store, storage)
    assert "log_rewound" in record_store.log_codes()
    assert_same_run(record_store, uninterrupted)


def test_states_ahead_of_the_log_do_not_replace_those_of_the_run_that_repeats_them(storage: RunStorage) -> None:
    record_store = run_and_rewind(storage, ENDLESS, REWOUND["before the first epoch"])
    record_store.request_at_epoch("pause", 1)
    assert run_attempt(record_store, storage).status == "paused"
    state = storage.artifacts.newest_resume(record_store.record.id).state
    assert state is not None
    assert state.step == record_store.record.resume_step <= record_store.record.progress.step


def test_a_run_whose_end_was_lost_trains_again_to_the_same_end(storage: RunStorage, uninterrupted: RecordStore) -> None:
    record_store = RecordStore(LONG)
    history = history_of(record_store)
    storage.artifacts.clean_up_after(run_attempt(record_store, storage))
    record_store.react = lambda: None
    rewind(record_store, *history[-2])
    assert record_store.record.status == "queued"
    run_attempt(record_store, storage)
    assert_same_run(record_store, uninterrupted)


def test_a_resumed_run_writes_its_best_weights_again_if_they_are_gone(storage: RunStorage, tmp_path: Path) -> None:
    # With a learning rate that changes no weight, no later epoch is better than the first.
    record_store = paused_run(storage, {**ENDLESS, "optimizer": {"type": "sgd", "lr": 1e-30}})
    [best] = [item for item in record_store.record.checkpoints if "best" in item.roles]
    storage.artifacts.delete_checkpoint(record_store.record.id, best.sha256)
    record_store.request_at_epoch("pause", record_store.record.logged_epoch + 1)
    run_attempt(record_store, storage)
    assert storage.artifacts.checkpoint_path(record_store.record.id, best.sha256).exists()


def test_another_thread_count_is_logged_and_the_run_is_not_exact(storage: RunStorage) -> None:
    record_store = paused_run(storage)
    change_state(record_store, storage, lambda position: position["made_by"].update(threads=7))
    record = run_attempt(record_store, storage)
    assert record_store.log_codes() == ["resumed", "inexact"]
    assert record.provenance is not None
    assert (record.status, record.exact, record.provenance.exact) == ("succeeded", False, False)


def test_a_resume_state_of_other_data_fails_the_run(storage: RunStorage) -> None:
    record_store = paused_run(storage)
    change_state(record_store, storage, lambda position: position["made_by"].update(dataset_fingerprint="sha256:1"))
    record = run_attempt(record_store, storage)
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("dataset_changed", "/dataset/id")
    assert "has changed" in record.failure.message


@pytest.mark.parametrize(("pinned", "status"), [(None, "succeeded"), ("the same", "succeeded"), ("other", "failed")])
def test_a_run_trains_only_on_the_data_that_it_was_submitted_with(
    storage: RunStorage, pinned: str | None, status: str
) -> None:
    document = {**IRIS, "epochs": 1}
    record_store = RecordStore(document)
    fingerprint = make_small_plan(document).card.fingerprint if pinned == "the same" else pinned
    record_store.record = record_store.record.model_copy(update={"dataset_fingerprint": fingerprint})
    assert run_attempt(record_store, storage).status == status


def test_an_attempt_that_lost_its_run_changes_nothing(storage: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)

    def take_over() -> None:
        owner = record_store.record.owner
        if record_store.record.logged_epoch and owner and owner.nonce == "owner0":
            record_store.write(OwnerLost(nonce=owner.nonce))
            record_store.write(Claim(an_owner("other"), 10**9))

    record_store.react = take_over
    with pytest.raises(OwnershipLost):
        run_attempt(record_store, storage)
    assert record_store.record.owner is not None
    assert (record_store.record.status, record_store.record.owner.nonce) == ("running", "other")
    assert all(event.attempt < 2 for event in record_store.events if event.type != "state")


class FullArtifacts(Artifacts):
    """A store without space."""

    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        raise StorageFull(needed=len(weights), free=0)


def test_a_full_disk_fails_the_run(tmp_path: Path) -> None:
    record_store = RecordStore(ENDLESS)
    record = run_attempt(record_store, RunStorage(Settings(home=tmp_path, device="cpu"), FullArtifacts(tmp_path)))
    assert record.failure is not None
    assert (record.failure.code, record.failure.retryable) == ("storage_full", True)


def test_a_folder_that_cannot_be_used_fails_the_run_without_naming_a_path(tmp_path: Path) -> None:
    record_store = RecordStore(ENDLESS)
    (tmp_path / "file").touch()
    storage = RunStorage(Settings(home=tmp_path, device="cpu"), Artifacts(tmp_path / "file" / "artifacts"))
    failure = run_attempt(record_store, storage).failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("storage_unavailable", True)
    assert "cannot be used" in failure.message
    assert str(tmp_path) not in str([failure, *record_store.logged("log")])


def allocate_too_much(*_: object) -> None:
    torch.empty(1 << 52)


def divide_by_zero(*_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("step", "code", "retryable"), [(allocate_too_much, "out_of_memory", False), (divide_by_zero, "internal", True)]
)
def test_an_error_in_a_step_fails_the_run(
    step: Callable[..., None], code: str, retryable: bool, storage: RunStorage, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("worker.training.training.Training.update", step)
    record = run_attempt(RecordStore(LONG), storage)
    assert record.failure is not None
    assert (record.failure.code, record.failure.retryable) == (code, retryable)
    assert ("ZeroDivisionError" in capsys.readouterr().err) == (code == "internal")


DIAGNOSED: Document = {
    **IRIS,
    "norm": "batch_norm",
    "evaluation": {"statistics": "population"},
    "diagnostics": ["activation_drift", "variance_shift"],
    "epochs": 40,
    "early_stopping": None,
}


def test_diagnostics_are_logged_once_and_the_record_keeps_the_latest(storage: RunStorage, tmp_path: Path) -> None:
    uninterrupted, record_store = RecordStore(DIAGNOSED), RecordStore(DIAGNOSED)
    run_attempt(uninterrupted, RunStorage(storage.settings, Artifacts(tmp_path / "uninterrupted")))
    record_store.request_at_epoch("pause")
    assert run_attempt(record_store, storage).status == "paused"
    record_store.write(Resume())
    record_store.react = lambda: None
    run_attempt(record_store, storage)
    assert_same_run(record_store, uninterrupted)
    assert record_store.logged("diagnostic") == uninterrupted.logged("diagnostic")
    assert [item["epoch"] for item in uninterrupted.logged("diagnostic")] == [
        epoch for epoch in range(1, 41) for _ in range(2)
    ]
    assert record_store.record.diagnostics == uninterrupted.record.diagnostics
    assert uninterrupted.record.diagnostics["variance_shift"].epoch == 40


MEASURED_LONG: Document = {**IRIS, "dropout": 0.5, "epochs": 1, "evaluation": {"monte_carlo_samples": 1000}}


def in_measurement(monkeypatch: pytest.MonkeyPatch, react: Callable[[], None]) -> None:
    """Calls `react` once, after a hundred passes of the final measurement."""
    original = Averages.add

    def add(averages: Averages, outputs: Tensor, *, times: int = 1) -> None:
        original(averages, outputs, times=times)
        if averages.passes == 100:
            react()

    monkeypatch.setattr(Averages, "add", add)


def request_in_measurement(
    monkeypatch: pytest.MonkeyPatch, attempt: Attempt, record_store: RecordStore, request: Request
) -> None:
    def ask() -> None:
        record_store.react = lambda: None
        record_store.write(RequestAction(request))

    def react() -> None:
        record_store.react = ask
        attempt.record_writer.flush()
        attempt.signals.are_due = True

    in_measurement(monkeypatch, react)


def test_a_run_that_is_paused_while_it_is_measured_resumes_there(
    storage: RunStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uninterrupted, record_store = RecordStore(MEASURED_LONG), RecordStore(MEASURED_LONG)
    run_attempt(uninterrupted, RunStorage(storage.settings, Artifacts(tmp_path / "uninterrupted")))
    attempt = attempt_of(record_store, storage)
    with monkeypatch.context() as patch:
        request_in_measurement(patch, attempt, record_store, "pause")
        attempt.run()
    assert record_store.record.status == "paused"
    assert (record_store.record.resume_epoch, record_store.record.resume_units) == (1, 101)
    record_store.write(Resume())
    run_attempt(record_store, storage)
    assert_same_run(record_store, uninterrupted)


@pytest.mark.parametrize("request_", ["stop", "cancel"])
def test_a_request_while_a_run_is_measured_is_obeyed_at_once(
    storage: RunStorage, monkeypatch: pytest.MonkeyPatch, request_: Request
) -> None:
    record_store = RecordStore(MEASURED_LONG)
    attempt = attempt_of(record_store, storage)
    request_in_measurement(monkeypatch, attempt, record_store, request_)
    attempt.run()
    record = record_store.record
    if request_ == "cancel":
        assert record.status == "cancelled"
        return
    assert (record.status, record.reason) == ("succeeded", "stopped_by_user")
    assert set(digests(record_store)) == {"best", "last"}
    assert "test_loss" in all_metrics(record)
    assert "test_monte_carlo_loss" not in all_metrics(record)
    [note] = record_store.logged("log")
    assert (note["code"], note["measurements"]) == ("not_measured", "test_monte_carlo")
    assert "it was stopped" in note["message"]


def test_the_time_budget_counts_while_a_run_is_measured(storage: RunStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    record_store = RecordStore({**MEASURED_LONG, "time_budget_seconds": 1000})
    attempt = attempt_of(record_store, storage)

    def use_up() -> None:
        monkeypatch.setattr(attempt.record_writer, "seconds", lambda: 1000.0)
        attempt.signals.are_due = True

    in_measurement(monkeypatch, use_up)
    attempt.run()
    record = record_store.record
    assert (record.status, record.reason, record.seconds) == ("succeeded", "time_budget", 1000.0)
    assert "test_monte_carlo_loss" not in all_metrics(record)
    assert record_store.log_codes() == ["not_measured"]


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # torch's own, where its compiler is imported
def test_the_watchdog_waits_while_the_first_step_is_compiled(
    storage: RunStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(RecordStore({**DIGITS_CNN, "compile": "on"}), storage)
    is_waiting = []

    def run_two_units(training: Training) -> Iterator[None]:
        yield
        is_waiting.append(attempt.watchdog.is_waiting)
        training.step += 1
        yield
        is_waiting.append(attempt.watchdog.is_waiting)
        raise NonFinite(1)

    monkeypatch.setattr("worker.training.training.Training.run", run_two_units)
    attempt.run()
    assert is_waiting == [True, False]
