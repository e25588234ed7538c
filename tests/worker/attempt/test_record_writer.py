"""The journal: order, what is told to those who wait, and that nobody waits for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from bakehouse.runs.commands import (
    Cancel,
    Claim,
    Command,
    LogEntry,
    LogEvents,
    PublishResume,
    Release,
    Renew,
    StepEntry,
)
from bakehouse.runs.errors import IllegalTransition, OwnershipLost
from bakehouse.runs.run import Progress
from bakehouse.runs.transitions import reduce, submit
from tests.runs.examples import a_run, an_owner
from worker.attempt.record_writer import MAX_ENTRIES, RecordWriter

NOW = 1_790_000_000_000
PROGRESS = Progress(epochs=1, steps=9)


class Notebook:
    """The record of a run that is owned, and all commands in the order in which they came."""

    def __init__(self) -> None:
        self.record = reduce(submit(a_run(), idempotency=None, now=NOW)[0], Claim(an_owner(), 1000), NOW)[0]
        self.commands: list[Command] = []
        self.gate = Event()
        self.gate.set()
        self.broken: Exception | None = None

    def commit(self, command: Command) -> None:
        self.gate.wait(10)
        if self.broken is not None:
            raise self.broken
        self.record, _ = reduce(self.record, command, NOW)
        if not isinstance(command, Renew):
            self.commands.append(command)

    def steps(self) -> list[int]:
        """That were logged."""
        logs = [command for command in self.commands if isinstance(command, LogEvents)]
        return [entry.step for log in logs for entry in log.entries if isinstance(entry, StepEntry)]


@contextmanager
def journal_in(notebook: Notebook, nonce: str = "first") -> Iterator[RecordWriter]:
    record_writer = RecordWriter(notebook, nonce)
    record_writer.start()
    try:
        yield record_writer
    finally:
        record_writer.close()


def put(record_writer: RecordWriter, *steps: int) -> None:
    for step in steps:
        record_writer.put(StepEntry(step, {"train_loss": 0.5}), PROGRESS.model_copy(update={"step": step}))


def test_entries_are_written_before_the_command_that_follows_them() -> None:
    notebook = Notebook()
    with journal_in(notebook) as record_writer:
        put(record_writer, *range(1, 50))
        record_writer.send(PublishResume("first", 49))
        assert notebook.steps() == list(range(1, 50))
        assert notebook.commands[-1] == PublishResume("first", 49)
        put(record_writer, 50)
        record_writer.flush()
    assert notebook.steps() == list(range(1, 51))
    assert notebook.record.progress.step == 50


def test_senders_from_several_threads_are_all_served() -> None:
    notebook = Notebook()
    with journal_in(notebook) as record_writer:
        threads = [Thread(target=record_writer.send, args=(PublishResume("first", step),)) for step in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
    assert notebook.record.resume_step == 19


def test_what_the_state_forbids_is_told_to_the_sender_alone() -> None:
    notebook = Notebook()
    with journal_in(notebook) as record_writer:
        with pytest.raises(IllegalTransition):
            record_writer.send(Cancel("first"))
        put(record_writer, 1)
        record_writer.send(Release("first"))
    assert notebook.steps() == [1]
    assert notebook.record.status == "queued"


def test_a_run_that_belongs_to_another_is_told_to_everybody() -> None:
    notebook = Notebook()
    with journal_in(notebook, nonce="second") as record_writer:
        put(record_writer, 1)
        with pytest.raises(OwnershipLost):
            record_writer.flush()
        with pytest.raises(OwnershipLost):
            record_writer.send(Release("second"))
        assert isinstance(record_writer.error, OwnershipLost)
    assert notebook.commands == []


@pytest.mark.parametrize("has_entries", [False, True])
def test_an_error_of_the_ledger_itself_reaches_who_waits(has_entries: bool) -> None:
    notebook = Notebook()
    notebook.broken = OSError("no room")
    with journal_in(notebook) as record_writer:
        if has_entries:
            put(record_writer, 1)
        with pytest.raises(OSError, match="no room"):
            record_writer.send(PublishResume("first", 1))
        assert record_writer.error is notebook.broken
    assert notebook.record.resume_step == -1


def test_a_command_is_not_written_after_entries_that_were_not() -> None:
    notebook = Notebook()
    failed = OSError("no room")

    def break_once(command: Command) -> None:
        if isinstance(command, LogEvents):
            raise failed
        Notebook.commit(notebook, command)

    notebook.commit = break_once  # type: ignore[method-assign]
    with journal_in(notebook) as record_writer:
        notebook.gate.clear()
        put(record_writer, 1)
        notebook.gate.set()
        with pytest.raises(OSError, match="no room"):
            record_writer.send(PublishResume("first", 1))
    assert notebook.commands == []


def test_who_still_waits_when_the_journal_closes_is_told() -> None:
    notebook = Notebook()
    record_writer = RecordWriter(notebook, "first")
    record_writer.start()
    told: list[Exception] = []

    def wait() -> None:
        try:
            for step in range(10_000):
                record_writer.send(PublishResume("first", step))
        except OwnershipLost as error:
            told.append(error)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    record_writer.flush()
    record_writer.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(told) == 1


def test_a_note_is_written_without_a_command_after_it() -> None:
    notebook = Notebook()
    written = Event()
    record_writer = RecordWriter(notebook, "first", on_tick=lambda: written.set() if notebook.commands else None)
    record_writer.start()
    record_writer.put(LogEntry("note", "Something."), PROGRESS)
    assert written.wait(10)
    record_writer.close()
    assert notebook.commands == [LogEvents("first", (LogEntry("note", "Something."),), PROGRESS)]


def test_a_long_backlog_is_written_in_slices() -> None:
    notebook = Notebook()
    notebook.gate.clear()
    with journal_in(notebook) as record_writer:
        record_writer.put(StepEntry(1, {"train_loss": 1.0}), PROGRESS)
        for step in range(2, 2 * MAX_ENTRIES + 3):
            record_writer.put(StepEntry(step, {"train_loss": 1.0}), PROGRESS)
        notebook.gate.set()
        record_writer.flush()
    logs = [command for command in notebook.commands if isinstance(command, LogEvents)]
    assert max(len(log.entries) for log in logs) <= MAX_ENTRIES
    assert notebook.steps() == list(range(1, 2 * MAX_ENTRIES + 3))
