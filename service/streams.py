"""Streams server-sent events of one run or of several runs. A client that reconnects with the last id that it saw gets
exactly the events after that id. service/hub.py explains why sse-starlette is not used."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from functools import partial

from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bakehouse.model import JsonObject
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.wire import stream_position
from service.frames import HEARTBEAT, reset_frame, run_frames
from service.hub import ChangesLost, Hub, Selection, Subscription

EVENTS_PER_READ = 250
# Many clients lose the same service at once. Each stream gets another delay, which spreads their return.
RETRY_MS = (1000, 3000)

Frames = AsyncIterator[bytes]


class EventStream(StreamingResponse):
    """A response that streams frames of one subscription until the client disconnects.

    service/http_limits.py disconnects a client that does not read.
    """

    def __init__(self, hub: Hub, selection: Selection, frames: Callable[[Subscription], Frames]) -> None:
        # Without X-Accel-Buffering, nginx would collect events before it passes them on.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__((), headers=headers, media_type="text/event-stream")
        self._subscribe = partial(hub.subscribe, selection)
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = partial(JsonObject, type="http.response.body")
        async with self._subscribe() as subscription:
            disconnect = asyncio.create_task(self.listen_for_disconnect(receive))
            disconnect.add_done_callback(lambda _: subscription.close())
            try:
                async for chunk in self._frames(subscription):
                    # `send` does nothing after a disconnection, and a long log would be read in vain.
                    if disconnect.done():
                        return
                    await send(body(body=chunk, more_body=True))
            finally:
                disconnect.cancel()
        await send(body(body=b"", more_body=False))


async def follow_run(hub: Hub, run_id: str, after: int, subscription: Subscription) -> Frames:
    """Yields all events of a run after the number `after`, until the run is over."""
    yield first_line()
    try:
        head = await hub.head(run_id)
        # If the client has seen a greater number than the last one, Redis has lost writes.
        if after > head.seq:
            yield reset_frame(f"/v1/runs/{run_id}", event_id=str(head.seq))
        sent = min(after, head.seq)
        # The subscription has all events after the head.
        while sent < head.seq:
            events = await hub.past(run_id, after=sent, limit=EVENTS_PER_READ)
            if not events:
                return  # the run was deleted
            yield run_frames(events)
            sent = events[-1].seq
            if events[-1].type == "end":
                return
    except (RedisError, RunNotFound):
        return  # the client reconnects and gets this error as a problem
    while not subscription.is_closed:
        for batch in await subscription.take():
            new = batch.after_seq(sent)
            if not new.continues(sent):
                return  # the client reconnects and gets the missing events from the log
            yield new.run_frames or HEARTBEAT
            sent += len(new.items)
            if new.is_last:
                return


async def follow_runs(hub: Hub, selection: Selection, after: str | None, subscription: Subscription) -> Frames:
    """Yields events of the selected runs that come after the change `after`, by default only new events."""
    sent = after or subscription.position
    # With this id, a client that is cut off before its first event can resume from here.
    yield first_line() + f"id: {sent}\n\n".encode()
    try:
        async for batch in hub.replay(selection, after=sent, last=subscription.position):
            yield batch.shared_frames
            sent = batch.items[-1].change.id
    except ChangesLost:
        sent = subscription.position
        yield reset_frame("/v1/runs", event_id=sent)
    except RedisError:
        return  # the client reconnects and gets this error as a problem
    position = stream_position(sent)
    while not subscription.is_closed:
        for batch in await subscription.take():
            # Only the first batches can have events that the client has seen.
            yield batch.after(position).shared_frames or HEARTBEAT


def first_line() -> bytes:
    """Returns the time after which the client reconnects. It does not end in a blank line, which lenient clients would
    take for an event without data."""
    return f"retry: {random.randint(*RETRY_MS)}\n".encode()
