"""Limits what all connections together hold: their number, and the bytes that wait for clients that do not read.

A connection waits for its client while it has no complete request to answer, and while the client does not read the
response. Of these connections, the longest waiting ones give way to new ones, so that nobody can shut others out.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

# Enough for a thousand streams (service/stream_slots.py) and two hundred other connections beside them.
MAX_CONNECTIONS = 1200
MAX_HELD_BYTES = 32 << 20
# A client that reads a large response over a slow network pauses too, but never for so long.
MIN_WAIT_SECONDS = 1.0


class Connection(Protocol):
    """A connection that can be cut."""

    def abort(self) -> None:
        """Closes the connection at once, without sending the rest of a response."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The time since when a connection has waited for its client, and the bytes that it holds meanwhile."""

    since: float
    held_bytes: int


class Connections:
    """The open connections, and the order in which they began to wait for their clients."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        # Dicts keep the order of insertion, so the first connection has waited longest.
        self._waiting: dict[Connection, Wait] = {}
        self._held_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether there are more connections than allowed, because no connection could give way."""
        return len(self._open) > MAX_CONNECTIONS

    def add(self, connection: Connection) -> None:
        """Counts a new connection; at the limit, cuts the connection that has waited longest for its client."""
        if len(self._open) >= MAX_CONNECTIONS and self._waiting:
            self._cut(next(iter(self._waiting)))
        self._open.add(connection)
        self.wait(connection, held_bytes=0)

    def wait(self, connection: Connection, *, held_bytes: int) -> None:
        """Notes that the connection waits for its client and holds these bytes; above the limit on the bytes of all
        connections, cuts those that have waited longest."""
        before = self._waiting.get(connection, Wait(time.monotonic(), 0))
        self._waiting[connection] = Wait(before.since, held_bytes)
        self._held_bytes += held_bytes - before.held_bytes
        if self._held_bytes > MAX_HELD_BYTES:
            for victim in list(self._long_waiting_holders()):
                self._cut(victim)
                if self._held_bytes <= MAX_HELD_BYTES:
                    break

    def resume(self, connection: Connection) -> None:
        """Notes that the connection no longer waits for its client."""
        if wait := self._waiting.pop(connection, None):
            self._held_bytes -= wait.held_bytes

    def remove(self, connection: Connection) -> None:
        """Forgets a connection that is closed."""
        self.resume(connection)
        self._open.discard(connection)

    def _cut(self, connection: Connection) -> None:
        # The connection is closed later, but its place is free now.
        self.remove(connection)
        connection.abort()

    def _long_waiting_holders(self) -> Iterator[Connection]:
        latest = time.monotonic() - MIN_WAIT_SECONDS
        for connection, wait in self._waiting.items():
            if wait.since > latest:
                return
            if wait.held_bytes:
                yield connection
