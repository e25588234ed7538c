"""Streams server-sent events of one run or of several runs. A client that reconnects with the last id that it saw gets
exactly the events after that id. service/hub.py explains why sse-starlette is not used."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

import anyio
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bakehouse.model import JsonObject
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.run import Event
from bakehouse.runs.store import Store
from service.hub import Hub, PublishedEvent, Selection, Subscription, encode_frame, parse_stream_id

HEARTBEAT_SECONDS = 15.0
# A client that receives nothing for this time is disconnected.
MAX_SEND_SECONDS = 30.0
EVENTS_PER_READ = 1000
# Does not end in a blank line, which lenient clients would take for an event without data.
FIRST_LINE = b"retry: 3000\n"
HEARTBEAT = b": heartbeat\n"

Frames = AsyncGenerator[bytes, None]


class EventStream(StreamingResponse):
    """A response that streams events until the client disconnects or stops reading."""

    def __init__(self, frames: Frames) -> None:
        # Without X-Accel-Buffering, nginx would collect events before it passes them on.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(frames, headers=headers, media_type="text/event-stream")
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:

            async def cancel_on_disconnect() -> None:
                await self.listen_for_disconnect(receive)
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel_on_disconnect)
            await self._send_all(send)
            tasks.cancel_scope.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = partial(JsonObject, type="http.response.body")
        # The generator is closed at once, so that its subscription ends with the response.
        async with aclosing(self._frames) as frames:
            async for chunk in frames:
                with anyio.move_on_after(MAX_SEND_SECONDS) as sending:
                    await send(body(body=chunk, more_body=True))
                if sending.cancelled_caught:
                    return
        await send(body(body=b"", more_body=False))


async def run_frames(hub: Hub, store: Store, run_id: str, after: int) -> Frames:
    """Yields all events of a run after the number `after`, until the run is over."""
    # The subscription comes before the log, so that no event falls between the two.
    with hub.subscribe(Selection(runs=frozenset({run_id}))) as subscription:
        yield FIRST_LINE
        try:
            last_seq = await run_in_threadpool(store.head, run_id)
            # If the client has seen a greater number than the last one, Redis has lost writes.
            if after > last_seq:
                yield reset_frame(f"/v1/runs/{run_id}", event_id=str(last_seq))
                after = last_seq
            sent = after
            while events := await run_in_threadpool(store.events, run_id, after=sent, limit=EVENTS_PER_READ):
                yield b"".join(encode_frame(event, event_id=str(event.seq)) for event in events)
                sent = events[-1].seq
                if is_last_event(events):
                    return
                # After a page that is not full, the subscription has all later events.
                if len(events) < EVENTS_PER_READ:
                    break
        except (RedisError, RunNotFound):
            return  # the client reconnects and gets this error as a problem
        async for chunk in new_run_frames(subscription, sent):
            yield chunk


async def new_run_frames(subscription: Subscription, sent: int) -> Frames:
    """Yields new events of a run after the number `sent`, or a heartbeat if there are none for a while."""
    while not subscription.is_closed:
        new = [item for item in await subscription.take(HEARTBEAT_SECONDS) if item.event.seq > sent]
        if not is_gapless(new, sent):
            return  # the client reconnects and gets the missing events from the log
        yield b"".join(item.run_frame for item in new) or HEARTBEAT
        if is_last_event([item.event for item in new]):
            return
        # This is correct because is_gapless has found the numbers to be consecutive.
        sent += len(new)


def is_gapless(new: Sequence[PublishedEvent], sent: int) -> bool:
    """Returns whether the events' numbers continue directly after `sent`."""
    return all(item.event.seq == number for number, item in enumerate(new, start=sent + 1))


def is_last_event(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1].type == "end"


async def shared_frames(hub: Hub, selection: Selection, after: str | None) -> Frames:
    """Yields events of the selected runs that come after the change `after`, by default only new events."""
    with hub.subscribe(selection) as subscription:
        try:
            sent = after or await hub.last_change()
            # With this id, a client that is cut off before its first event can resume from here.
            yield FIRST_LINE + f"id: {sent}\n\n".encode()
            if await hub.may_miss_changes(sent):
                sent = await hub.last_change()
                yield reset_frame("/v1/runs", event_id=sent)
            async for chunk in hub.replay(selection, sent):
                if chunk:
                    yield b"".join(item.shared_frame for item in chunk)
                    sent = chunk[-1].change.id
        except RedisError:
            return  # the client reconnects and gets this error as a problem
        while not subscription.is_closed:
            new = [item for item in await subscription.take(HEARTBEAT_SECONDS) if is_newer(item, sent)]
            yield b"".join(item.shared_frame for item in new) or HEARTBEAT
            sent = new[-1].change.id if new else sent


def is_newer(item: PublishedEvent, sent: str) -> bool:
    return parse_stream_id(item.change.id) > parse_stream_id(sent)


def reset_frame(snapshot: str, *, event_id: str) -> bytes:
    """Returns a frame that tells the client that events are missing. The client must read the path `snapshot` again;
    then the stream continues."""
    return f"id: {event_id}\nevent: reset\ndata: {json.dumps({'snapshot': snapshot})}\n\n".encode()
