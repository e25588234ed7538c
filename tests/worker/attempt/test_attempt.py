"""Attempts at a run whose record is in memory: every ending, and what is left for the next attempt."""

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

from bakehouse.runs.artifacts import Artifacts, StoredCheckpoint
from bakehouse.runs.commands import Claim, Command, OwnerLost, RequestAction, Resume
from bakehouse.runs.errors import OwnershipLost, StorageFull
from bakehouse.runs.record import Record, new_run
from bakehouse.runs.run import Request
from bakehouse.runs.transitions import reduce, submit
from bakehouse.settings import Settings
from tests.runs.examples import an_owner
from tests.small_trainings import FLOWERS, PICTURES, Document, measured, planned, training_of
from worker.attempt.attempt import Attempt, RunStorage
from worker.attempt.snapshot import POSITION
from worker.training.events import NonFinite
from worker.training.training import Training

LONG: Document = {**FLOWERS, "dropout": 0.2, "epochs": 600, "early_stopping": None}
"""Half a second."""
ENDLESS: Document = {**LONG, "epochs": 100_000}


class RecordStore:
    """The record and its events in memory; `react` may write too, after every command of the attempt."""

    def __init__(self, document: Document) -> None:
        plan = planned(document)
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

    def ask_at_epoch(self, request: Request, epoch: int = 1) -> None:
        """Somebody asks once so many epochs are in the log."""

        def react() -> None:
            if self.record.status == "running" and self.record.logged_epoch >= epoch and self.record.request is None:
                self.write(RequestAction(request))

        self.react = react

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The data of events of a type, without what a clock says."""
        return [{**event.data, "seconds": 0} for event in self.events if event.type == kind]

    def notes(self) -> list[str]:
        return [event.data["code"] for event in self.events if event.type == "log"]


@pytest.fixture
def place(tmp_path: Path) -> RunStorage:
    return RunStorage(Settings(home=tmp_path, device="cpu"), Artifacts(tmp_path / "artifacts"))


def attempt_of(record_store: RecordStore, place: RunStorage) -> Attempt:
    """The next attempt, not begun."""
    nonce = f"owner{record_store.record.attempt}"
    record_store.write(Claim(an_owner(nonce), 10**9))
    return Attempt(record_store, nonce, place)


def end(record_store: RecordStore, place: RunStorage) -> Record:
    """Carries out an attempt."""
    attempt_of(record_store, place).run()
    return record_store.record


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    """The long run without an interruption."""
    home = tmp_path_factory.mktemp("whole")
    record_store = RecordStore(LONG)
    end(record_store, RunStorage(Settings(home=home, device="cpu"), Artifacts(home / "artifacts")))
    return record_store


def digests(record_store: RecordStore) -> dict[str, tuple[int, str]]:
    """Epoch and digest of the best and the last weights."""
    return {role: (item.epoch, item.sha256) for item in record_store.record.checkpoints for role in item.roles}


def assert_same_run(record_store: RecordStore, whole: RecordStore) -> None:
    assert record_store.record.status == "succeeded"
    assert digests(record_store) == digests(whole)
    assert record_store.told("step") == whole.told("step")
    assert record_store.told("epoch") == whole.told("epoch")
    assert record_store.record.metrics == whole.record.metrics
    assert record_store.record.best == whole.record.best


def test_a_run_ends_with_its_best_its_last_and_a_receipt(whole: RecordStore) -> None:
    record = whole.record
    assert (record.status, record.reason, record.attempt) == ("succeeded", "epochs_done", 1)
    assert set(digests(whole)) == {"best", "last"}
    assert digests(whole)["last"][0] == 600
    assert [event["epoch"] for event in whole.told("epoch")] == list(range(1, 601))
    assert {"train_loss", "validation_loss", "test_loss"} <= set(record.metrics)
    assert record.provenance is not None
    assert record.provenance.weights_sha256 == digests(whole)["best"][1]
    assert record.provenance.recipe_sha256 == record.recipe_sha256
    assert (record.provenance.exact, record.provenance.threads, record.provenance.seed) == (True, 1, 0)
    assert whole.told("end") == [{"status": "succeeded", "reason": "epochs_done", "seconds": 0}]


def test_the_best_file_holds_what_the_record_says(place: RunStorage) -> None:
    record_store = RecordStore({**PICTURES, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 9})
    record = end(record_store, place)
    epoch, sha256 = digests(record_store)["best"]
    training = training_of(record.recipe.canonical())
    path = place.artifacts.checkpoint_path(record.id, sha256)
    training.model.load_state_dict(safetensors.torch.load_file(path))
    assert record.best is not None
    assert (record.best.epoch, record.best.monitor) == (epoch, "validation_loss")
    assert measured(training, "validation")["validation_loss"] == record.best.value
    assert record.metrics | measured(training, "test") == record.metrics
    with safetensors.safe_open(path, "pt") as file:
        said = json.loads(file.metadata()["bakehouse"])
    trained = record.recipe.model_dump(mode="json", exclude={"name", "labels"})
    assert said == {"classes": list(map(str, range(10))), "epoch": epoch, "recipe": trained}


def test_a_paused_run_goes_on_as_if_nothing_had_happened(place: RunStorage, whole: RecordStore) -> None:
    record_store = RecordStore(LONG)
    record_store.ask_at_epoch("pause")
    assert end(record_store, place).status == "paused"
    assert 0 < record_store.record.resume_step < 1800
    record_store.react = lambda: None
    record_store.write(Resume())
    end(record_store, place)
    assert record_store.notes() == ["resumed"]
    assert_same_run(record_store, whole)


def test_a_run_that_is_told_to_end_is_given_back_and_goes_on(place: RunStorage, whole: RecordStore) -> None:
    record_store = RecordStore(LONG)
    attempt = attempt_of(record_store, place)
    record_store.react = lambda: setattr(attempt, "terminated", True)
    attempt.run()
    assert (record_store.record.status, record_store.record.reason) == ("queued", "preempted")
    assert record_store.record.attempts_without_progress == 0
    record_store.react = lambda: None
    end(record_store, place)
    assert_same_run(record_store, whole)


def test_a_stop_keeps_the_best(place: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)
    record_store.ask_at_epoch("stop", 3)
    record = end(record_store, place)
    assert (record.status, record.reason) == ("succeeded", "stopped_by_user")
    assert record.progress.epoch == record.logged_epoch >= 3
    assert set(digests(record_store)) == {"best", "last"}


def test_a_stop_of_a_resumed_run_first_catches_up_with_its_log(place: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)
    attempt_of(record_store, place)
    # An attempt that died after 200 steps without leaving a state.
    record_store.record = record_store.record.model_copy(
        update={"logged_step": 200, "logged_epoch": 66, "request": "stop"}
    )
    record_store.write(OwnerLost(nonce=record_store.record.owner.nonce if record_store.record.owner else None))
    record = end(record_store, place)
    assert (record.reason, record.progress.step, record.progress.epoch) == ("stopped_by_user", 200, 67)
    assert [event["epoch"] for event in record_store.told("epoch")] == [67]
    assert record_store.told("step") == []


def test_a_cancel_ends_the_run(place: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)
    record_store.ask_at_epoch("cancel")
    assert end(record_store, place).status == "cancelled"


class Slow(Artifacts):
    """Asks for a cancel when the first checkpoint is written, and has it on disk only when the run has ended."""

    record_store: RecordStore
    ended: Event

    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        self.record_store.react = lambda: self.ended.set() if self.record_store.record.is_over else None
        self.record_store.write(RequestAction("cancel"))
        self.ended.wait(10)
        return super().write_checkpoint(run_id, weights, manifest)


def test_a_cancel_does_not_wait_for_a_checkpoint_that_nobody_wants_any_more(tmp_path: Path) -> None:
    artifacts = Slow(tmp_path)
    record_store = artifacts.record_store = RecordStore(ENDLESS)
    artifacts.ended = Event()
    assert end(record_store, RunStorage(Settings(home=tmp_path, device="cpu"), artifacts)).status == "cancelled"
    assert record_store.record.checkpoints == ()


def test_a_time_budget_is_of_all_attempts(place: RunStorage) -> None:
    record_store = RecordStore({**ENDLESS, "time_budget_seconds": 0.3})
    record = end(record_store, place)
    assert (record.status, record.reason) == ("succeeded", "time_budget")
    assert record.provenance is not None
    assert record.provenance.device_seconds >= 0.3
    used_up = RecordStore({**ENDLESS, "time_budget_seconds": 0.3})
    used_up.record = used_up.record.model_copy(update={"seconds": 0.3})
    record = end(used_up, place)
    assert (record.reason, record.progress.epoch) == ("time_budget", 1)


def test_a_loss_that_is_not_finite_fails_the_run_and_keeps_the_best_so_far(place: RunStorage) -> None:
    rising = {"type": "constant", "warmup_epochs": 30}
    record_store = RecordStore(
        {**PICTURES, "norm": None, "optimizer": {"type": "sgd", "lr": 1e3}, "schedule": rising, "epochs": 30}
    )
    record = end(record_store, place)
    assert record.status == "failed"
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer, record.failure.retryable) == (
        "non_finite",
        "/optimizer/lr",
        False,
    )
    assert record_store.told("step")[-1]["non_finite"] == ["train_loss"]
    epoch, sha256 = digests(record_store)["best"]
    values = {event["epoch"]: event["validation_loss"] or math.inf for event in record_store.told("epoch")}
    assert epoch == min(values, key=lambda epoch: values[epoch])
    assert all(bool(tensor.isfinite().all()) for tensor in safetensors.torch.load_file(
        place.artifacts.checkpoint_path(record.id, sha256)).values())  # fmt: skip


def paused(place: RunStorage, document: Document = LONG) -> RecordStore:
    """A run with a resume state."""
    record_store = RecordStore(document)
    record_store.ask_at_epoch("pause")
    end(record_store, place)
    record_store.react = lambda: None
    record_store.write(Resume())
    return record_store


def change_state(record_store: RecordStore, place: RunStorage, change: Callable[[dict[str, Any]], None]) -> None:
    """Writes a newer resume state with a changed position."""
    state = place.artifacts.newest_resume(record_store.record.id).state
    assert state is not None
    position = json.loads(state.files[POSITION])
    change(position)
    files = {**state.files, POSITION: json.dumps(position).encode()}
    place.artifacts.write_resume(record_store.record.id, state.step + 1, files)


def test_a_run_without_its_resume_state_begins_again_and_says_which_step_it_lost(
    place: RunStorage, whole: RecordStore, tmp_path: Path
) -> None:
    record_store = paused(place)
    lost_step = record_store.record.resume_step
    shutil.rmtree(tmp_path / "artifacts")
    record = end(record_store, place)
    [note] = record_store.told("log")
    assert (note["code"], note["step"]) == ("restarted", lost_step)
    assert f"step {lost_step}" in note["message"]
    assert (record.restarted, record.exact, whole.record.restarted) == (True, True, False)
    assert_same_run(record_store, whole)


def test_a_run_that_resumes_from_an_older_state_names_the_step_that_it_lost(
    place: RunStorage, whole: RecordStore
) -> None:
    record_store = paused(place)
    kept, lost = record_store.record.resume_step, record_store.record.resume_step + 100
    record_store.record = record_store.record.model_copy(update={"resume_step": lost})
    record = end(record_store, place)
    [note] = record_store.told("log")
    assert note["code"] == "resumed"
    assert f"step {kept}." in note["message"]
    assert f"step {lost} cannot be read" in note["message"]
    assert not record.restarted
    assert_same_run(record_store, whole)


def test_a_damaged_state_is_passed_over_and_said(place: RunStorage, whole: RecordStore, tmp_path: Path) -> None:
    record_store = paused(place)
    [path] = tmp_path.glob("artifacts/local/run_*/resume/*/state.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    record = end(record_store, place)
    assert record_store.notes() == ["checkpoint_rejected", "restarted"]
    assert record.restarted
    assert_same_run(record_store, whole)


def test_another_thread_count_is_said_and_not_called_exact(place: RunStorage) -> None:
    record_store = paused(place)
    change_state(record_store, place, lambda position: position["made_by"].update(threads=7))
    record = end(record_store, place)
    assert record_store.notes() == ["resumed", "inexact"]
    assert record.provenance is not None
    assert (record.status, record.exact, record.provenance.exact) == ("succeeded", False, False)


def test_rows_that_changed_fail_the_run(place: RunStorage) -> None:
    record_store = paused(place)
    change_state(record_store, place, lambda position: position["made_by"].update(dataset_fingerprint="sha256:1"))
    record = end(record_store, place)
    assert record.failure is not None
    assert (record.failure.code, record.failure.pointer) == ("dataset_changed", "/dataset/id")
    assert "has changed" in record.failure.message


@pytest.mark.parametrize(("pinned", "status"), [(None, "succeeded"), ("the same", "succeeded"), ("other", "failed")])
def test_a_run_trains_on_the_rows_that_it_was_submitted_with_alone(
    place: RunStorage, pinned: str | None, status: str
) -> None:
    document = {**FLOWERS, "epochs": 1}
    record_store = RecordStore(document)
    fingerprint = planned(document).card.fingerprint if pinned == "the same" else pinned
    record_store.record = record_store.record.model_copy(update={"dataset_fingerprint": fingerprint})
    assert end(record_store, place).status == status


def test_a_run_that_belongs_to_another_is_left_alone(place: RunStorage) -> None:
    record_store = RecordStore(ENDLESS)

    def take_over() -> None:
        owner = record_store.record.owner
        if record_store.record.logged_epoch and owner and owner.nonce == "owner0":
            record_store.write(OwnerLost(nonce=owner.nonce))
            record_store.write(Claim(an_owner("other"), 10**9))

    record_store.react = take_over
    with pytest.raises(OwnershipLost):
        end(record_store, place)
    assert record_store.record.owner is not None
    assert (record_store.record.status, record_store.record.owner.nonce) == ("running", "other")
    assert all(event.attempt < 2 for event in record_store.events if event.type != "state")


class Full(Artifacts):
    """Has no room."""

    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        raise StorageFull(needed=len(weights), free=0)


def test_a_full_disk_fails_the_run(tmp_path: Path) -> None:
    record_store = RecordStore(ENDLESS)
    record = end(record_store, RunStorage(Settings(home=tmp_path, device="cpu"), Full(tmp_path)))
    assert record.failure is not None
    assert (record.failure.code, record.failure.retryable) == ("storage_full", True)


def memory_of_a_planet(*_: object) -> None:
    torch.empty(1 << 52)


def mistake(*_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("step", "code", "retryable"), [(memory_of_a_planet, "out_of_memory", False), (mistake, "internal", True)]
)
def test_what_goes_wrong_in_a_step(
    step: Callable[..., None], code: str, retryable: bool, place: RunStorage, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("worker.training.training.Training.update", step)
    record = end(RecordStore(LONG), place)
    assert record.failure is not None
    assert (record.failure.code, record.failure.retryable) == (code, retryable)
    assert ("ZeroDivisionError" in capsys.readouterr().err) == (code == "internal")


EXAMINED: Document = {
    **FLOWERS,
    "norm": "batch_norm",
    "evaluation": {"statistics": "population"},
    "diagnostics": ["activation_drift", "variance_shift"],
    "epochs": 40,
    "early_stopping": None,
}


def test_diagnostics_are_logged_once_and_the_latest_stay_with_the_run(place: RunStorage, tmp_path: Path) -> None:
    whole, record_store = RecordStore(EXAMINED), RecordStore(EXAMINED)
    end(whole, RunStorage(place.settings, Artifacts(tmp_path / "whole")))
    record_store.ask_at_epoch("pause")
    assert end(record_store, place).status == "paused"
    record_store.write(Resume())
    record_store.react = lambda: None
    end(record_store, place)
    assert_same_run(record_store, whole)
    assert record_store.told("diagnostic") == whole.told("diagnostic")
    assert [item["epoch"] for item in whole.told("diagnostic")] == [epoch for epoch in range(1, 41) for _ in range(2)]
    assert record_store.record.diagnostics == whole.record.diagnostics
    assert whole.record.diagnostics["variance_shift"].epoch == 40


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # torch's own, where its compiler is imported
def test_a_step_that_has_to_be_compiled_first_has_no_limit_of_time(
    place: RunStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(RecordStore({**PICTURES, "compile": "on"}), place)
    is_waiting = []

    def after_other_units(training: Training) -> Iterator[None]:
        yield
        is_waiting.append(attempt.watchdog.is_waiting)
        training.step += 1
        yield
        is_waiting.append(attempt.watchdog.is_waiting)
        raise NonFinite(1)

    monkeypatch.setattr("worker.training.training.Training.run", after_other_units)
    attempt.run()
    assert is_waiting == [True, False]
