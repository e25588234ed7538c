"""Chooses the resume state from which an attempt continues, and restores it."""

from collections.abc import Iterable

from bakehouse.data.errors import DatasetChanged
from bakehouse.model import JsonObject
from bakehouse.runs.artifacts import Artifacts, FoundResume
from bakehouse.runs.commands import MarkRestarted
from bakehouse.runs.record import Record
from worker.attempt.record_writer import RecordWriter
from worker.attempt.snapshot import read_environment, read_position, restore
from worker.training.metrics import last_logged
from worker.training.training import Training


def resume(
    training: Training,
    environment: JsonObject,
    record: Record,
    record_writer: RecordWriter,
    artifacts: Artifacts,
) -> None:
    """Restores the newest resume state that is undamaged and not ahead of the log; logs this, and why newer states are
    not used."""
    # A process that crashed while it wrote a state has left a half-written folder.
    artifacts.sweep(record.id)
    found = artifacts.newest_resume(
        record.id, is_wanted=lambda state: is_covered(record, read_position(state.files), training.diagnostics.by_name)
    )
    discard(found, record, record_writer, artifacts)
    if found.state is None:
        if record.resume_step >= 0:
            restart(record.resume_step, record_writer)
        return
    earlier = read_environment(found.state.files)
    # Old records have no fingerprint, so the one that the state was made with is compared too.
    if earlier["dataset_fingerprint"] != environment["dataset_fingerprint"]:
        raise DatasetChanged(training.plan.card.id)
    restore(training, found.state.files)
    is_older = found.state.step < record.resume_step
    lost = f" The resume state of step {record.resume_step} cannot be read." if is_older else ""
    record_writer.note("resumed", f"The run resumes after step {training.step}.{lost}")
    if earlier != environment:
        message = "The device, a version or the thread count has changed: results may no longer be bit-identical."
        record_writer.mark_inexact(message)


def is_covered(record: Record, position: JsonObject, diagnostics: Iterable[str]) -> bool:
    """Whether the record has everything up to a position: its steps, epochs and diagnostics, and its best weights.

    Redis may have lost the end of its data. A run that resumed beyond that end would leave a hole in its log.
    """
    last = position["last"] or {"epoch": 0, "step": 0}
    hints = position["parts"].get("hints", {"epochs_done": 0})
    logged = {name: item.step for name, item in record.diagnostics.items()}
    hint_epochs = record.diagnostics["hints"].epoch if "hints" in record.diagnostics else 0
    best_epoch = record.best.epoch if record.best else 0
    return (
        record.logged_step >= last_logged(position["step"])
        and record.logged_epoch >= last["epoch"]
        and all(logged.get(name, 0) >= last["step"] for name in diagnostics)
        and hint_epochs >= hints["epochs_done"]
        and best_epoch >= position["parts"]["stopper"]["best_epoch"]
    )


def discard(found: FoundResume, record: Record, record_writer: RecordWriter, artifacts: Artifacts) -> None:
    """Logs and deletes the resume states that are damaged or ahead of the log."""
    for rejected in found.rejected:
        record_writer.note("checkpoint_rejected", f"The resume state {rejected.name} is damaged: {rejected.reason}")
    if found.unwanted:
        message = (
            f"The end of this log was lost after step {record.logged_step} and epoch {record.logged_epoch}. The resume "
            "states beyond are not used, so that every step and epoch is logged."
        )
        details = {"logged_step": record.logged_step, "logged_epoch": record.logged_epoch}
        record_writer.note("log_rewound", message, details)
    if unusable := [*(rejected.name for rejected in found.rejected), *found.unwanted]:
        # Only the run's owner may delete a state, and only the record knows who that is now.
        record_writer.flush()
        # Otherwise these states, whose steps may be later, would be kept in place of new ones.
        for name in unusable:
            artifacts.delete_resume_state(record.id, name)


def restart(lost_step: int, record_writer: RecordWriter) -> None:
    """Marks the run as started over at step 0, in its record and its log."""
    record_writer.send(MarkRestarted(record_writer.nonce))
    message = f"The resume state of step {lost_step} cannot be read: the run starts over at step 0."
    record_writer.note("restarted", message, {"step": lost_step})
