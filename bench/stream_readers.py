"""Reads many event streams in one process, over plain sockets, and checks that each event comes once and in order."""

import asyncio
import json
import re
import statistics
import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import uvloop

STEP = re.compile(rb'event: step\ndata: \{"seq":(\d+),[^\n]*"sent":([\d.]+)[^\n]*$')
RUN = re.compile(rb'"run_id":"(\w+)"')
OPENED_AT_ONCE = 50
DRAIN_SECONDS = 10.0


@dataclass
class Tally:
    """The counts of all readers."""

    expected: int
    delivered: int = 0
    delays: list[float] = field(default_factory=list)
    repeated: int = 0
    skipped: int = 0
    ended: int = 0
    first_bytes: list[float] = field(default_factory=list)
    first_events: list[float] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


# Many readers get the same frame, and parsing must not take the time of the service that is measured.
@lru_cache(maxsize=10_000)
def parse(frame: bytes) -> tuple[bytes, int, float] | None:
    """Returns the run, the number and the sending time of a step, or None for another event."""
    step = STEP.search(frame)
    run = RUN.search(frame)
    return (run[1] if run else b"", int(step[1]), float(step[2])) if step else None


class Reader(asyncio.Protocol):
    """One stream. Events of one run come with consecutive numbers."""

    def __init__(self, tally: Tally, request: bytes) -> None:
        self.tally = tally
        self.request = request
        self.begun = asyncio.Event()
        self.rest = b""
        self.seen: dict[bytes, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the request."""
        self.opened = time.time()
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Counts the whole frames; a chunk of the response may end anywhere."""
        now = time.time()
        if not self.begun.is_set() and b"retry:" in data:
            self.tally.first_bytes.append(now - self.opened)
            self.begun.set()
        *frames, self.rest = (self.rest + data).split(b"\n\n")
        for frame in frames:
            # The head of a chunk of the response may come before the id.
            if step := parse(frame[frame.find(b"id: ") :]):
                self.count(*step, now)

    def count(self, run: bytes, seq: int, sent: float, now: float) -> None:
        """Compares an event's number with the one before."""
        if not self.seen:
            self.tally.first_events.append(now - self.opened)
        last = self.seen.get(run, seq - 1)
        self.tally.delivered += 1
        self.tally.repeated += seq <= last
        self.tally.skipped += max(0, seq - last - 1)
        self.seen[run] = seq
        # An event that is older than the stream has waited for its reader.
        if sent > self.opened:
            self.tally.delays.append(now - sent)
        if self.tally.delivered >= self.tally.expected:
            self.tally.complete.set()

    def connection_lost(self, error: Exception | None) -> None:
        """A stream of a run that is not over must not end."""
        self.tally.ended += 1
        self.begun.set()


async def read_all(port: int, requests: list[bytes], expected: int, at_once: int) -> dict[str, Any]:
    """Opens all streams, prints a line, and returns the counts when all events have come, or at a line from outside."""
    loop = asyncio.get_running_loop()
    tally = Tally(expected)
    for first in range(0, len(requests), at_once):
        readers = [Reader(tally, request) for request in requests[first : first + at_once]]
        await asyncio.gather(
            *(loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port) for reader in readers)  # type: ignore[misc]
        )
        await asyncio.gather(*(reader.begun.wait() for reader in readers))
    print("ready", flush=True)
    fed = loop.run_in_executor(None, sys.stdin.readline)
    await fed
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await tally.complete.wait()
    except TimeoutError:
        pass
    return summary(tally)


def summary(tally: Tally) -> dict[str, Any]:
    """Returns the figures of all readers; times are in milliseconds."""
    cuts = statistics.quantiles(tally.delays, n=100) if len(tally.delays) > 1 else [0.0] * 99
    return {
        "delivered": tally.delivered, "expected": tally.expected, "repeated": tally.repeated,
        "skipped": tally.skipped, "ended": tally.ended,
        "p50": 1000 * cuts[49], "p99": 1000 * cuts[98], "max": 1000 * max(tally.delays, default=0.0),
        "first_bytes": 1000 * max(tally.first_bytes, default=0.0),
        "first_events": 1000 * max(tally.first_events, default=0.0),
    }  # fmt: skip


def main() -> None:
    """Reads the port, the requests and the number of expected events from the first line of the input."""
    order = json.loads(sys.stdin.readline())
    requests = [request.encode() for request in order["requests"]]
    reading = read_all(order["port"], requests, order["expected"], order.get("at_once", OPENED_AT_ONCE))
    print(json.dumps(uvloop.run(reading)), flush=True)


if __name__ == "__main__":
    main()
