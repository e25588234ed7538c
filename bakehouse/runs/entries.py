"""Entries of a run's log: which are new, and how the log holds them. Pure."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from bakehouse.runs.commands import DiagnosticEntry, Entry, EpochEntry, LogEntry, StepEntry
from bakehouse.runs.record import NewEvent, Record, event_data, finite
from bakehouse.runs.run import Diagnostic


def fresh(record: Record, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries beyond what is logged."""
    step, epoch = record.logged_step, record.logged_epoch
    told = {name: item.step for name, item in record.diagnostics.items()}
    for entry in entries:
        match entry:
            case StepEntry():
                is_new, step = entry.step > step, max(step, entry.step)
            case EpochEntry():
                is_new, epoch = entry.epoch > epoch, max(epoch, entry.epoch)
            case DiagnosticEntry(name=name):
                last = told.get(name, -1)
                is_new, told[name] = entry.step > last, max(last, entry.step)
            case LogEntry():
                is_new = True
            case _:
                assert_never(entry)
        if is_new:
            yield entry


def found(entries: Iterable[Entry]) -> dict[str, Diagnostic]:
    """The last finding of each diagnostic."""
    return {
        entry.name: Diagnostic(epoch=entry.epoch, step=entry.step, values=finite(entry.values))
        for entry in entries
        if isinstance(entry, DiagnosticEntry)
    }


def entry_event(entry: Entry, attempt: int) -> NewEvent:
    """An entry as the log holds it."""
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
