"""Writes a run's record in order in a background thread, so that training never waits for Redis."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from bakehouse.runs.commands import (
    Batch,
    Command,
    Ending,
    Entry,
    EpochEntry,
    LogEntry,
    LogEvents,
    MarkNonReproducible,
    Renew,
    SingleCommand,
)
from bakehouse.runs.errors import OwnershipLost, RunsError
from bakehouse.runs.measurements import Measurement
from bakehouse.runs.record import Record
from bakehouse.runs.run import Progress

RENEW_SECONDS = 1.0
STEPS_EVERY_SECONDS = 0.5
EPOCHS_EVERY_SECONDS = 0.05
TICK_SECONDS = 0.25
# Redis is blocked while it runs one script: 15 ms for this many entries.
MAX_ENTRIES = 1000


class RecordStore(Protocol):
    """Holds the record of a run, in Redis or in the memory of one process."""

    record: Record

    def commit(self, command: Command) -> None:
        """Carries out a command on the record. Raises IllegalTransition, OwnershipLost."""


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command with the future that its sender may wait for."""

    command: SingleCommand
    done: "Future[None]"


class RecordWriter:
    """Writes entries and commands in the order in which they arrive, and renews the lease meanwhile.

    `on_tick` is called a few times a second, and `report` with what was measured, both in the writer's thread.
    """

    def __init__(
        self,
        record_store: RecordStore,
        nonce: str,
        *,
        on_tick: Callable[[], None] = lambda: None,
        report: Callable[[Measurement], None] = lambda measurement: None,
    ) -> None:
        self.record_store = record_store
        self.nonce = nonce
        self.on_tick = on_tick
        self.report = report
        self.error: Exception | None = None
        """The error that ended the writing; None if there was none."""
        self._entries: list[Entry] = []
        self._progress: Progress | None = None
        self._pending: list[PendingCommand] = []
        self._measurement: Measurement | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._is_closed = False
        # The first entry is written at once, because it shows that the run is alive.
        self._is_urgent = True
        self._written_at = 0.0
        self._started_at = self._renewed_at = monotonic()
        # A daemon thread cannot keep a process alive whose main thread has ended.
        self._thread = threading.Thread(target=self._run, name="record-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread, which also renews the lease."""
        self._thread.start()

    def seconds(self) -> float:
        """Returns how long the attempt has lasted."""
        return monotonic() - self._started_at

    def put(self, entry: Entry, progress: Progress) -> None:
        """Queues an entry and returns at once."""
        with self._lock:
            self._entries.append(entry)
            self._progress = progress
        # An epoch is shown at once; the steps between epochs may wait half a second.
        if isinstance(entry, EpochEntry):
            self._is_urgent = True
        if self._is_urgent:
            self._wake.set()

    def measure(self, measurement: Measurement) -> None:
        """Queues what was measured of the training, which is reported with the next write."""
        with self._lock:
            self._measurement = measurement

    def note(self, code: str, message: str, details: Mapping[str, object] | None = None) -> None:
        """Queues a human-readable message for the run's log."""
        self.put(LogEntry(code, message, dict(details or {})), self.record_store.record.progress)

    def send(self, command: SingleCommand, *entries: Entry) -> None:
        """Writes all earlier entries and commands, these entries and then the command; returns when that is done. The
        command is written together with the entries. Raises the error of the commit."""
        done = self._queue(command, *entries)
        self._hurry.set()
        self._wake.set()
        done.result()

    def post(self, command: SingleCommand) -> None:
        """Queues a command and returns at once. It is written before or together with the next one that is sent, which
        gets the error if the writing ends."""
        self._queue(command)

    def _queue(self, command: SingleCommand, *entries: Entry) -> "Future[None]":
        done: Future[None] = Future()
        # The error is looked at under the lock, or a command queued just after a failure would wait forever.
        with self._lock:
            if self.error is not None:
                raise self.error
            self._entries += entries
            self._progress = self._progress or (self.record_store.record.progress if entries else None)
            self._pending.append(PendingCommand(command, done))
        return done

    def mark_inexact(self, message: str) -> None:
        """Records that the results may no longer be bit-identical, and logs the reason, either both or none."""
        self.send(MarkNonReproducible(self.nonce), LogEntry("inexact", message))

    def flush(self) -> None:
        """Waits until all earlier entries are written."""
        self.send(Renew(self.nonce))

    def close(self) -> None:
        """Ends the thread; entries that are still queued may stay unwritten."""
        self._is_closed = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()
        # The checkpoint writer may still send a command; without this, it would wait forever.
        self._fail(self.error or OwnershipLost(self.record_store.record.id))

    def _run(self) -> None:
        try:
            while not self._is_closed and self.error is None:
                self._wake.wait(TICK_SECONDS)
                self._let_epochs_gather()
                # The event is cleared before the write, so that an entry that arrives meanwhile wakes the thread again.
                self._wake.clear()
                self._write_due()
                self.on_tick()
        except Exception as error:  # noqa: BLE001 - the thread ends here; every sender gets the error
            self._fail(error)

    def _let_epochs_gather(self) -> None:
        # An epoch of a small model takes a millisecond, and a write for each epoch would be a thousand writes a second.
        rest = EPOCHS_EVERY_SECONDS - (monotonic() - self._written_at)
        if rest > 0:
            # A sender waits for its command, and nobody for an epoch.
            self._hurry.wait(rest)

    def _write_due(self) -> None:
        if self._pending or self._is_urgent or monotonic() - self._written_at >= STEPS_EVERY_SECONDS:
            self._write()
        if monotonic() - self._renewed_at >= RENEW_SECONDS:
            self._commit(self._renewal())

    def _renewal(self) -> Renew:
        self._renewed_at = monotonic()
        return Renew(self.nonce, self.seconds())

    def _write(self) -> None:
        self._is_urgent = False
        self._written_at = monotonic()
        with self._lock:
            self._hurry.clear()
            entries, self._entries = tuple(self._entries), []
            pending, self._pending = self._pending, []
            progress, self._progress = self._progress, None
            measurement, self._measurement = self._measurement, None
        # Reported first, so that what follows the end of a run finds its measurement.
        if measurement is not None:
            self.report(measurement)
        logs = [
            LogEvents(self.nonce, entries[start : start + MAX_ENTRIES], progress)
            for start in range(0, len(entries), MAX_ENTRIES)
        ]
        pending = [PendingCommand(self._with_seconds(item.command), item.done) for item in pending]
        # Entries go before commands, because the last command ends the run and its log.
        for log in logs[:-1]:
            self._commit(log)
        commands = (*logs[-1:], *(item.command for item in pending))
        if len(commands) > 1 and self._is_written(Batch(self.nonce, commands)):
            for item in pending:
                item.done.set_result(None)
            return
        for log in logs[-1:]:
            self._commit(log)
        for item in pending:
            self._carry_out(item)

    def _with_seconds(self, command: SingleCommand) -> SingleCommand:
        return replace(command, seconds=self.seconds()) if isinstance(command, Renew | Ending) else command

    def _is_written(self, batch: Batch) -> bool:
        """Writes several commands at once, because Redis syncs each write to disk. Returns whether that was legal."""
        try:
            self.record_store.commit(batch)
        except RunsError:
            # The record refuses one of the commands; written one by one, the others are carried out.
            return False
        except Exception as error:  # noqa: BLE001 - the senders get the error
            self._fail(error)
            return False
        return True

    def _carry_out(self, pending: PendingCommand) -> None:
        try:
            if self.error is not None:
                raise self.error
            self.record_store.commit(pending.command)
        except Exception as error:  # noqa: BLE001 - the sender gets the error, whatever it is
            # A refusal by the record concerns only this command; any other error ends the writing.
            if not isinstance(error, RunsError):
                self._fail(error)
            pending.done.set_exception(error)
        else:
            pending.done.set_result(None)

    def _commit(self, command: Command) -> None:
        if self.error is not None:
            return
        try:
            self.record_store.commit(command)
        except Exception as error:  # noqa: BLE001 - the training thread looks at `error`
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stops writing, and raises the error in every sender that waits."""
        with self._lock:
            self.error = error
            pending, self._pending = self._pending, []
        for command in pending:
            command.done.set_exception(error)
