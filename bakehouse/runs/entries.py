"""Decides which entries of a run's log are new, and turns them into events. All functions are pure."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from bakehouse.runs.commands import DiagnosticEntry, Entry, EpochEntry, LogEntry, StepEntry
from bakehouse.runs.record import NewEvent, Record, event_data, finite
from bakehouse.runs.run import Diagnostic


def unseen_entries(record: Record, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yields the entries that are not logged yet: a resumed run repeats steps that it has already logged."""
    last_step, last_epoch = record.logged_step, record.logged_epoch
    diagnosed = {name: item.step for name, item in record.diagnostics.items()}
    for entry in entries:
        match entry:
            case StepEntry(step=step):
                is_new = step > last_step
                last_step = max(step, last_step)
            case EpochEntry(epoch=epoch):
                is_new = epoch > last_epoch
                last_epoch = max(epoch, last_epoch)
            case DiagnosticEntry(name=name, step=step):
                # Steps are compared by diagnostic, because a diagnostic may come after its epoch's entry.
                is_new = step > diagnosed.get(name, -1)
                diagnosed[name] = max(step, diagnosed.get(name, -1))
            case LogEntry():
                # A message has no step, so a repeated one cannot be recognized.
                is_new = True
            case _:
                assert_never(entry)
        if is_new:
            yield entry


def latest_diagnostics(entries: Iterable[Entry]) -> dict[str, Diagnostic]:
    """Returns the last result of each diagnostic, by name."""
    return {
        entry.name: Diagnostic(epoch=entry.epoch, step=entry.step, values=finite(entry.values))
        for entry in entries
        if isinstance(entry, DiagnosticEntry)
    }


def entry_event(entry: Entry, attempt: int) -> NewEvent:
    """Returns the event that a log entry becomes."""
    match entry:
        case StepEntry(step=step, numbers=numbers):
            return NewEvent("step", attempt, event_data({"step": step, **numbers}))
        case EpochEntry(epoch=epoch, step=step):
            data = {"epoch": epoch, "step": step, **entry.metrics, **entry.details}
            return NewEvent("epoch", attempt, event_data(data))
        case DiagnosticEntry(name=name, epoch=epoch, step=step, values=values):
            data = {"name": name, "epoch": epoch, "step": step, **values}
            return NewEvent("diagnostic", attempt, event_data(data))
        case LogEntry(code=code, message=message, details=details):
            return NewEvent("log", attempt, event_data({"code": code, "message": message, **details}))
        case _:
            assert_never(entry)
