"""Server-sent events: a run's log, and many runs at once. A reader that comes again with the last id that it saw
gets exactly what came after."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.run import Event
from bakehouse.runs.store import Store
from service.hub import Hub, Published, Selection, Subscription, frame, position

HEARTBEAT_SECONDS = 15.0
# A reader whose connection is full for so long is cut off.
SEND_SECONDS = 30.0
PAGE = 1000
# No blank line: that would be an event without data to readers that are less strict than browsers.
OPENING = b"retry: 3000\n"
COMMENT = b": still here\n"

Frames = AsyncGenerator[bytes, None]


class EventStream(StreamingResponse):
    """Ends with the reader, and with a reader that does not read."""

    def __init__(self, frames: Frames) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(frames, headers=headers, media_type="text/event-stream")
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:

            async def until_gone() -> None:
                await self.listen_for_disconnect(receive)
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_gone)
            await self._send_all(send)
            tasks.cancel_scope.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = partial(dict[str, Any], type="http.response.body")
        async with aclosing(self._frames) as frames:
            async for chunk in frames:
                with anyio.move_on_after(SEND_SECONDS) as sending:
                    await send(body(body=chunk, more_body=True))
                if sending.cancelled_caught:
                    return
        await send(body(body=b"", more_body=False))


async def run_frames(hub: Hub, store: Store, run_id: str, after: int) -> Frames:
    """Everything beyond `after`, until the run's end."""
    with hub.follow(Selection(runs=frozenset({run_id}))) as news:
        yield OPENING
        try:
            head = await run_in_threadpool(store.head, run_id)
            if after > head:
                yield reset(f"/v1/runs/{run_id}", entry_id=str(head))
                after = head
            sent = after
            while events := await run_in_threadpool(store.events, run_id, after=sent, limit=PAGE):
                yield b"".join(frame(event, entry_id=str(event.seq)) for event in events)
                sent = events[-1].seq
                if is_end(events):
                    return
                if len(events) < PAGE:
                    break
        except (RedisError, RunNotFound):
            return  # the reader asks again and is told why
        async for chunk in newer_frames(news, sent):
            yield chunk


async def newer_frames(news: Subscription, sent: int) -> Frames:
    """What happens beyond `sent`, or a comment now and then."""
    while not news.is_over:
        fresh = [item for item in await news.take(HEARTBEAT_SECONDS) if item.event.seq > sent]
        if not is_gapless(fresh, sent):
            return  # the reader resumes from the log
        yield b"".join(item.run_frame for item in fresh) or COMMENT
        if is_end([item.event for item in fresh]):
            return
        sent += len(fresh)


def is_gapless(fresh: Sequence[Published], sent: int) -> bool:
    """Whether these are the very next events."""
    return all(item.event.seq == number for number, item in enumerate(fresh, start=sent + 1))


def is_end(events: Sequence[Event]) -> bool:
    """Whether the last of them is the run's last."""
    return bool(events) and events[-1].type == "end"


async def shared_frames(hub: Hub, selection: Selection, after: str | None) -> Frames:
    """What happens to the selected runs beyond a change, or from now on."""
    with hub.follow(selection) as news:
        try:
            sent = after or await hub.last_change()
            yield OPENING + f"id: {sent}\n\n".encode()
            if await hub.is_trimmed(sent):
                sent = await hub.last_change()
                yield reset("/v1/runs", entry_id=sent)
            async for chunk in hub.replay(selection, sent):
                if chunk:
                    yield b"".join(item.shared_frame for item in chunk)
                    sent = chunk[-1].change.id
        except RedisError:
            return  # the reader asks again and is told why
        while not news.is_over:
            fresh = [item for item in await news.take(HEARTBEAT_SECONDS) if is_newer(item, sent)]
            yield b"".join(item.shared_frame for item in fresh) or COMMENT
            sent = fresh[-1].change.id if fresh else sent


def is_newer(item: Published, sent: str) -> bool:
    """Whether it comes after what was sent."""
    return position(item.change.id) > position(sent)


def reset(snapshot: str, *, entry_id: str) -> bytes:
    """History is missing: the reader starts from the snapshot and goes on from here."""
    return f"id: {entry_id}\nevent: reset\ndata: {json.dumps({'snapshot': snapshot})}\n\n".encode()
