"""Writes a run's record from a thread of its own, in order, so that training never waits for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Protocol

from bakehouse.runs.commands import Command, Entry, EpochEntry, LogEvents, Renew
from bakehouse.runs.errors import OwnershipLost, RunsError
from bakehouse.runs.record import Record
from bakehouse.runs.run import Progress

RENEW_SECONDS = 1.0
STEPS_EVERY_SECONDS = 0.5
EPOCHS_EVERY_SECONDS = 0.05
TICK_SECONDS = 0.25
# One call of the script keeps Redis from everybody else: 15 ms for so many.
MAX_ENTRIES = 1000


class RecordStore(Protocol):
    """Where the record is: in Redis, or in one process's memory."""

    record: Record

    def commit(self, command: Command) -> None:
        """Carries out a command on the record. Raises IllegalTransition, OwnershipLost."""


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command whose sender waits for it."""

    command: Command
    done: "Future[None]"


class RecordWriter:
    """Entries and commands in the order in which they were put; the lease renewed meanwhile.

    `on_tick` is called a few times a second, from this thread.
    """

    def __init__(self, record_store: RecordStore, nonce: str, *, on_tick: Callable[[], None] = lambda: None) -> None:
        self.record_store, self.nonce, self.on_tick = record_store, nonce, on_tick
        self.error: Exception | None = None
        self.progress: Progress | None = None
        self._entries: list[Entry] = []
        self._orders: list[PendingCommand] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        # The first entry shows that a run is alive.
        self._urgent = True
        self._wrote_at, self._renewed_at = 0.0, monotonic()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """From here on the lease is renewed."""
        self._thread.start()

    def put(self, entry: Entry, progress: Progress) -> None:
        """Takes an entry and returns at once."""
        with self._lock:
            self._entries.append(entry)
            self.progress = progress
        if isinstance(entry, EpochEntry):
            self._urgent = True
        if self._urgent:
            self._wake.set()

    def send(self, command: Command) -> None:
        """Waits until all entries so far, and then the command, are written. Raises what the record answers."""
        done: Future[None] = Future()
        with self._lock:
            if self.error is not None:
                raise self.error
            self._orders.append(PendingCommand(command, done))
        self._wake.set()
        done.result()

    def flush(self) -> None:
        """Waits until all entries so far are written."""
        self.send(Renew(self.nonce))

    def close(self) -> None:
        """Ends; what nobody waited for may be unwritten."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        # The filer may still send what it has just written: nobody would ever answer it.
        self._fail(self.error or OwnershipLost(self.record_store.record.id))

    def _run(self) -> None:
        try:
            while not self._closed and self.error is None:
                self._wake.wait(TICK_SECONDS)
                self._let_epochs_gather()
                self._wake.clear()
                self._write_what_is_due()
                self.on_tick()
        except Exception as error:  # noqa: BLE001 - the thread ends here; whoever waits for it is told
            self._fail(error)

    def _let_epochs_gather(self) -> None:
        # An epoch of a small model takes a millisecond: a write for each would be a thousand a second.
        rest = EPOCHS_EVERY_SECONDS - (monotonic() - self._wrote_at)
        if rest > 0 and not self._orders and not self._closed:
            sleep(rest)

    def _write_what_is_due(self) -> None:
        if self._orders or self._urgent or monotonic() - self._wrote_at >= STEPS_EVERY_SECONDS:
            self._write()
        if monotonic() - self._renewed_at >= RENEW_SECONDS and self.error is None:
            self._commit(Renew(self.nonce))
            self._renewed_at = monotonic()

    def _write(self) -> None:
        self._urgent, self._wrote_at = False, monotonic()
        with self._lock:
            entries, self._entries = tuple(self._entries), []
            orders, self._orders = self._orders, []
            progress, self.progress = self.progress, None
        for start in range(0, max(len(entries), 1 if progress else 0), MAX_ENTRIES):
            self._commit(LogEvents(self.nonce, entries[start : start + MAX_ENTRIES], progress))
        for order in orders:
            self._carry_out(order)

    def _carry_out(self, order: PendingCommand) -> None:
        try:
            if self.error is not None:
                raise self.error
            self.record_store.commit(order.command)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            if not isinstance(error, RunsError):
                self._fail(error)
            order.done.set_exception(error)
        else:
            order.done.set_result(None)

    def _commit(self, command: Command) -> None:
        try:
            self.record_store.commit(command)
        except Exception as error:  # noqa: BLE001 - the training thread looks at `error`
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Nothing more is written: whoever waits is told."""
        with self._lock:
            self.error = error
            orders, self._orders = self._orders, []
        for order in orders:
            order.done.set_exception(error)
