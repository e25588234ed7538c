"""The record writer: the order of writes, the errors that senders get, and that no sender waits for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from bakehouse.runs.commands import (
    Batch,
    Cancel,
    Claim,
    Command,
    LogEntry,
    LogEvents,
    MarkNonReproducible,
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


class FakeRecordStore:
    """Holds the record of a running run and all commands, in the order in which they were committed."""

    def __init__(self) -> None:
        self.record = reduce(submit(a_run(), idempotency=None, now=NOW)[0], Claim(an_owner(), 1000), NOW)[0]
        self.commands: list[Command] = []
        self.writes = 0
        self.gate = Event()
        self.gate.set()
        self.broken: Exception | None = None

    def commit(self, command: Command) -> None:
        self.gate.wait(10)
        if self.broken is not None:
            raise self.broken
        self.record, _ = reduce(self.record, command, NOW)
        self.writes += 1
        single = command.commands if isinstance(command, Batch) else (command,)
        self.commands += [item for item in single if not isinstance(item, Renew)]

    def steps(self) -> list[int]:
        """The steps that were logged."""
        logs = [command for command in self.commands if isinstance(command, LogEvents)]
        return [entry.step for log in logs for entry in log.entries if isinstance(entry, StepEntry)]


@contextmanager
def record_writer_of(record_store: FakeRecordStore, nonce: str = "first") -> Iterator[RecordWriter]:
    record_writer = RecordWriter(record_store, nonce)
    record_writer.start()
    try:
        yield record_writer
    finally:
        record_writer.close()


def put(record_writer: RecordWriter, *steps: int) -> None:
    for step in steps:
        record_writer.put(StepEntry(step, {"train_loss": 0.5}), PROGRESS.model_copy(update={"step": step}))


def test_entries_are_written_before_the_command_that_follows_them() -> None:
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        put(record_writer, *range(1, 50))
        record_writer.send(PublishResume("first", 49))
        assert record_store.steps() == list(range(1, 50))
        assert record_store.commands[-1] == PublishResume("first", 49)
        put(record_writer, 50)
        record_writer.flush()
    assert record_store.steps() == list(range(1, 51))
    assert record_store.record.progress.step == 50


def test_entries_and_commands_that_wait_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.attempt.record_writer.TICK_SECONDS", 60)
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        record_writer.flush()
        record_writer.post(PublishResume("first", 1))
        put(record_writer, 1)
        record_writer.send(Release("first"))
        assert record_store.writes == 2
    assert [type(command) for command in record_store.commands] == [LogEvents, PublishResume, Release]


def test_a_run_is_not_marked_as_inexact_without_the_reason_in_its_log() -> None:
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        record_writer.flush()
        written = record_store.writes
        record_writer.mark_inexact("The device has changed.")
        assert record_store.writes == written + 1
    assert [type(command) for command in record_store.commands[-2:]] == [LogEvents, MarkNonReproducible]
    assert not record_store.record.exact


def test_a_refused_command_does_not_keep_the_others_of_its_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.attempt.record_writer.TICK_SECONDS", 60)
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        record_writer.flush()
        record_writer.post(PublishResume("first", 1))
        put(record_writer, 1)
        with pytest.raises(IllegalTransition):
            record_writer.send(Cancel("first"))
    assert (record_store.record.resume_step, record_store.steps()) == (1, [1])


def test_a_sender_does_not_wait_until_epochs_have_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.attempt.record_writer.EPOCHS_EVERY_SECONDS", 3600)
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        record_writer.note("resumed", "The run resumes.")
        # The first write begins an hour in which epochs gather, and the next entry wakes the thread within it.
        record_writer.flush()
        record_writer.note("resumed", "The run resumes.")
        record_writer.send(Release("first"))
    assert record_store.record.status == "queued"


def test_the_record_gets_the_seconds_of_the_attempt_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.attempt.record_writer.monotonic", lambda: 100.0)
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        monkeypatch.setattr("worker.attempt.record_writer.monotonic", lambda: 107.5)
        record_writer.flush()
        assert record_store.record.seconds == 7.5
        monkeypatch.setattr("worker.attempt.record_writer.monotonic", lambda: 108.0)
        record_writer.send(Release("first"))
    assert record_store.record.seconds == 8.0


def test_senders_from_several_threads_are_all_served() -> None:
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        threads = [Thread(target=record_writer.send, args=(PublishResume("first", step),)) for step in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
    assert record_store.record.resume_step == 19


def test_an_illegal_transition_is_raised_only_for_its_sender() -> None:
    record_store = FakeRecordStore()
    with record_writer_of(record_store) as record_writer:
        with pytest.raises(IllegalTransition):
            record_writer.send(Cancel("first"))
        put(record_writer, 1)
        record_writer.send(Release("first"))
    assert record_store.steps() == [1]
    assert record_store.record.status == "queued"


def test_lost_ownership_is_raised_for_every_sender() -> None:
    record_store = FakeRecordStore()
    with record_writer_of(record_store, nonce="second") as record_writer:
        put(record_writer, 1)
        with pytest.raises(OwnershipLost):
            record_writer.flush()
        with pytest.raises(OwnershipLost):
            record_writer.send(Release("second"))
        assert isinstance(record_writer.error, OwnershipLost)
    assert record_store.commands == []


@pytest.mark.parametrize("has_entries", [False, True])
def test_an_error_of_the_record_store_is_raised_for_the_sender(has_entries: bool) -> None:
    record_store = FakeRecordStore()
    record_store.broken = OSError("no room")
    with record_writer_of(record_store) as record_writer:
        if has_entries:
            put(record_writer, 1)
        with pytest.raises(OSError, match="no room"):
            record_writer.send(PublishResume("first", 1))
        assert record_writer.error is record_store.broken
    assert record_store.record.resume_step == -1


def test_a_command_is_not_written_if_the_entries_before_it_failed() -> None:
    record_store = FakeRecordStore()
    failed = OSError("no room")

    def break_once(command: Command) -> None:
        if isinstance(command, LogEvents | Batch):
            raise failed
        FakeRecordStore.commit(record_store, command)

    record_store.commit = break_once  # type: ignore[method-assign]
    with record_writer_of(record_store) as record_writer:
        record_store.gate.clear()
        put(record_writer, 1)
        record_store.gate.set()
        with pytest.raises(OSError, match="no room"):
            record_writer.send(PublishResume("first", 1))
    assert record_store.commands == []


def test_a_sender_that_waits_when_the_writer_closes_gets_an_error() -> None:
    record_store = FakeRecordStore()
    record_writer = RecordWriter(record_store, "first")
    record_writer.start()
    errors: list[Exception] = []

    def send_many() -> None:
        try:
            for step in range(10_000):
                record_writer.send(PublishResume("first", step))
        except OwnershipLost as error:
            errors.append(error)

    thread = Thread(target=send_many, daemon=True)
    thread.start()
    record_writer.flush()
    record_writer.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(errors) == 1


def test_a_note_is_written_without_a_command_after_it() -> None:
    record_store = FakeRecordStore()
    written = Event()
    record_writer = RecordWriter(
        record_store, "first", on_tick=lambda: written.set() if record_store.commands else None
    )
    record_writer.start()
    record_writer.note("restarted", "The run begins again.", {"step": 3})
    assert written.wait(10)
    record_writer.close()
    entry = LogEntry("restarted", "The run begins again.", {"step": 3})
    assert record_store.commands == [LogEvents("first", (entry,), record_store.record.progress)]


def test_a_long_backlog_is_written_in_slices() -> None:
    record_store = FakeRecordStore()
    record_store.gate.clear()
    with record_writer_of(record_store) as record_writer:
        record_writer.put(StepEntry(1, {"train_loss": 1.0}), PROGRESS)
        for step in range(2, 2 * MAX_ENTRIES + 3):
            record_writer.put(StepEntry(step, {"train_loss": 1.0}), PROGRESS)
        record_store.gate.set()
        record_writer.flush()
    logs = [command for command in record_store.commands if isinstance(command, LogEvents)]
    assert max(len(log.entries) for log in logs) <= MAX_ENTRIES
    assert record_store.steps() == list(range(1, 2 * MAX_ENTRIES + 3))
