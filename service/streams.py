"""Streams server-sent events of one run or of several runs. A client that reconnects with the last id that it saw gets
exactly the events after that id. service/hub.py explains why sse-starlette is not used."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Protocol, get_args

from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.run import EventType
from bakehouse.runs.stream_entries import stream_position
from service.frames import HEARTBEAT, Batch, reset_frame, run_frames
from service.http_limits import TRANSPORT
from service.hub import ChangesLost, Hub, Selection, Subscription

EVENTS_PER_READ = 250
# Many clients lose the same service at once. Each stream gets another delay, which spreads their return.
RETRY_MS = (1000, 3000)
LOGGED = frozenset[str](get_args(EventType))

Frames = AsyncIterator[bytes]


class Follower(Protocol):
    """Decides what one client still needs."""

    is_over: bool
    """Whether the stream ends, because no event follows or because one is missing."""

    @property
    def selection(self) -> Selection:
        """The runs that the client follows."""

    def past(self, subscription: Subscription) -> Frames:
        """Yields what happened until the subscription began."""

    def frames(self, batch: Batch) -> bytes:
        """Returns the frames of new events, or a heartbeat if the client has them already."""


class EventStream(StreamingResponse):
    """A response that streams frames until the client disconnects.

    service/http_limits.py disconnects a client that does not read.
    """

    def __init__(self, hub: Hub, follower: Follower) -> None:
        # Without X-Accel-Buffering, nginx would collect events before it passes them on.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__((), headers=headers, media_type="text/event-stream")
        self._hub = hub
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with self._hub.subscribe(self._follower.selection) as subscription:
            disconnect = asyncio.create_task(self.listen_for_disconnect(receive))
            disconnect.add_done_callback(lambda _: subscription.close())
            try:
                async for chunk in self._follower.past(subscription):
                    # `send` does nothing after a disconnection, and a long log would be read in vain.
                    if disconnect.done():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await self._send_new(subscription, scope, send)
            finally:
                disconnect.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_new(self, subscription: Subscription, scope: Scope, send: Send) -> None:
        write = partial(self._write, subscription, scope["extensions"][TRANSPORT])
        while not self._follower.is_over and not subscription.is_closed:
            # An older client gets no chunks.
            for batch in await subscription.take(write if scope["http_version"] == "1.1" else None):
                frames = self._follower.frames(batch)
                await send({"type": "http.response.body", "body": frames, "more_body": True})

    def _write(self, subscription: Subscription, transport: asyncio.WriteTransport, batch: Batch) -> bool:
        """Writes a batch as a chunk of the response, unless the client has not read everything before it.

        Waking a task that calls `send` would take longer than all of the rest, and a thousand clients may follow a run.
        """
        if transport.get_write_buffer_size() or transport.is_closing():
            return False
        frames = self._follower.frames(batch)
        if frames:
            transport.write(b"%x\r\n%b\r\n" % (len(frames), frames))
        if self._follower.is_over:
            subscription.close()
        return True


class RunFollower:
    """Follows one run from the event after the number `after`, until the run is over."""

    def __init__(self, hub: Hub, run_id: str, after: int) -> None:
        self.is_over = False
        self._hub = hub
        self._run_id = run_id
        self._sent = after

    @property
    def selection(self) -> Selection:
        """The run's log alone."""
        return Selection(runs=frozenset({self._run_id}), types=LOGGED)

    async def past(self, subscription: Subscription) -> Frames:
        """Yields the events up to the head of the log, after which the subscription has all events."""
        yield first_line()
        try:
            head = await self._hub.head(self._run_id)
            # If the client has seen a greater number than the last one, Redis has lost writes.
            if self._sent > head.seq:
                self._sent = head.seq
                yield reset_frame(f"../{self._run_id}", event_id=str(head.seq))
            while self._sent < head.seq and not self.is_over:
                events = await self._hub.past(self._run_id, after=self._sent, limit=EVENTS_PER_READ)
                if not events:
                    raise RunNotFound(self._run_id)
                self._sent = events[-1].seq
                self.is_over = events[-1].type == "end"
                yield run_frames(events)
        except (RedisError, RunNotFound):
            self.is_over = True  # the client reconnects and gets this error as a problem

    def frames(self, batch: Batch) -> bytes:
        """Returns the frames of new events; ends the stream before a gap, and after the last event."""
        new = batch.after_seq(self._sent)
        if not new.continues(self._sent):
            self.is_over = True  # the client reconnects and gets the missing events from the log
            return b""
        self._sent += len(new.items)
        self.is_over = new.is_last
        return new.run_frames or HEARTBEAT


class SelectionFollower:
    """Follows the runs of a selection from the change `after`, by default from now on."""

    def __init__(self, hub: Hub, selection: Selection, after: str | None) -> None:
        self.is_over = False
        self.selection = selection
        self._hub = hub
        self._after = after
        self._position = (0, 0)

    async def past(self, subscription: Subscription) -> Frames:
        """Yields the events up to the position of the subscription."""
        sent = self._after or subscription.position
        # With this id, a client that is cut off before its first event can resume from here.
        yield first_line() + f"id: {sent}\n\n".encode()
        try:
            async for batch in self._hub.replay(self.selection, after=sent, last=subscription.position):
                yield batch.shared_frames
                sent = batch.items[-1].change.id
        except ChangesLost as error:
            # The client reads everything up to here again. At the subscription's position, which is older while the hub
            # lags, a client that resumes would be reset again.
            sent = error.last
            yield reset_frame("runs", event_id=sent)
        except RedisError:
            self.is_over = True  # the client reconnects and gets this error as a problem
        self._position = stream_position(sent)

    def frames(self, batch: Batch) -> bytes:
        """Returns the frames of new events. Only the first batches can have events that the client has seen."""
        return batch.after(self._position).shared_frames or HEARTBEAT


def first_line() -> bytes:
    """Returns the time after which the client reconnects. It does not end in a blank line, which lenient clients would
    take for an event without data."""
    return f"retry: {random.randint(*RETRY_MS)}\n".encode()
