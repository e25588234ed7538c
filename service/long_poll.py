"""Implements long polls: responses that wait until something has changed (`Prefer: wait=N`, RFC 7240)."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from bakehouse.runs.async_store import AsyncStore
from bakehouse.runs.shown import ShownRun
from bakehouse.runs.store import Store
from service.event_pages import EventPage, PageQuery, read_page
from service.frames import Batch
from service.hub import Hub, Selection, Subscription

Answer = TypeVar("Answer")
MAX_WAIT_SECONDS = 60
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)
# These fields change at every step or second, which is not a change that clients wait for.
NOT_IN_ETAG = {"progress", "queue", "seconds", "updated_at"}


def parse_wait(prefer: str | None) -> int:
    """Returns the number of seconds that the client wants to wait; 0 by default."""
    found = WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0


def run_etag(run: ShownRun) -> str:
    """Returns a weak ETag of a run, which stays the same while only the progress changes."""
    content = "\n".join([value for name, value in run.members.items() if name not in NOT_IN_ETAG])
    return f'W/"{hashlib.blake2b(content.encode(), digest_size=12).hexdigest()}"'


def etag_matches(if_none_match: str | None, etag: str) -> bool:
    """Returns whether If-None-Match lists the ETag, by weak comparison (RFC 9110, section 8.8.3.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


async def wait_for_change(
    hub: Hub, store: AsyncStore, run_id: str, *, known_etags: str | None, seconds: int
) -> ShownRun:
    """Returns the run once its ETag is not in `known_etags` (by default the present ETag), it is over, or the time has
    passed."""
    deadline = asyncio.get_running_loop().time() + seconds
    # The subscription comes before the first read, so that no change between the two is missed.
    async with hub.subscribe(Selection(runs=frozenset({run_id}))) as subscription:
        run = await store.get(run_id)
        known_etags = known_etags or run_etag(run)
        while etag_matches(known_etags, run_etag(run)) and not run.is_over and not subscription.is_closed:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            # An event of type `step` cannot change the ETag.
            batches = await take_within(subscription, left)
            if any(item.event.type != "step" for batch in batches for item in batch.items):
                run = await store.get(run_id)
    return run


async def wait_for_events(hub: Hub, store: Store, query: PageQuery, *, seconds: int) -> EventPage:
    """Returns a page of a run's log; if it has no events yet, waits for the next one."""
    deadline = asyncio.get_running_loop().time() + seconds
    async with hub.subscribe(Selection(runs=frozenset({query.run_id}))) as subscription:
        while True:
            # A wake-up only says that there may be events; the log has all of them.
            page = await run_in_threadpool(read_page, store, query)
            left = deadline - asyncio.get_running_loop().time()
            if page.data or page.has_more or left <= 0 or subscription.is_closed:
                return page
            await take_within(subscription, left)


async def wait_for_answer(
    hub: Hub, selection: Selection, find: Callable[[], Answer], *, is_new: Callable[[Answer], bool], seconds: int
) -> Answer:
    """Returns what `find` finds once it is new, or when the time has passed; looks again after each event."""
    deadline = asyncio.get_running_loop().time() + seconds
    async with hub.subscribe(selection) as subscription:
        while True:
            found = await run_in_threadpool(find)
            left = deadline - asyncio.get_running_loop().time()
            if is_new(found) or left <= 0 or subscription.is_closed:
                return found
            await take_within(subscription, left)


async def take_within(subscription: Subscription, seconds: float) -> list[Batch]:
    """Waits up to `seconds` for events and returns all of them; returns an empty list after that time."""
    try:
        async with asyncio.timeout(seconds):
            return await subscription.take()
    except TimeoutError:
        return []
