"""Long polls: an answer that is held until there is something to say (`Prefer: wait=N`, RFC 7240)."""

import asyncio
import hashlib
import re

from starlette.concurrency import run_in_threadpool

from bakehouse.runs.run import Event, Run
from bakehouse.runs.store import Store
from service.hub import Hub, Selection

MAX_WAIT_SECONDS = 60
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)
# They change all the time: a client that waits for news does not wait for these.
NOT_NEWS = {"progress", "queue", "seconds", "updated_at"}


def wait_seconds(prefer: str | None) -> int:
    """How long the client would wait; 0 if it does not say."""
    found = WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0


def etag(run: Run) -> str:
    """Weak: the same as long as nothing but the progress changes."""
    content = run.model_dump_json(exclude=NOT_NEWS)
    return f'W/"{hashlib.blake2b(content.encode(), digest_size=12).hexdigest()}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Weak comparison with each of the tags that the client has."""
    given = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return "*" in given or tag.removeprefix("W/") in given


async def changed_run(hub: Hub, store: Store, run_id: str, *, known: str | None, seconds: int) -> Run:
    """The run as soon as it is not what the client knows (without that: as it is now), or after so many seconds."""
    until = asyncio.get_running_loop().time() + seconds
    with hub.follow(Selection(runs=frozenset({run_id}))) as news:
        run = await run_in_threadpool(store.get, run_id)
        known = known or etag(run)
        while matches(known, etag(run)) and not run.is_over and not news.is_over:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                break
            happened = await news.take(left)
            if any(item.event.type != "step" for item in happened):
                run = await run_in_threadpool(store.get, run_id)
    return run


async def new_events(hub: Hub, store: Store, run_id: str, *, after: int, limit: int, seconds: int) -> list[Event]:
    """The events beyond `after`; if there are none yet, waits for the next."""
    until = asyncio.get_running_loop().time() + seconds
    with hub.follow(Selection(runs=frozenset({run_id}))) as news:
        while True:
            events = await run_in_threadpool(store.events, run_id, after=after, limit=limit)
            left = until - asyncio.get_running_loop().time()
            if events or left <= 0 or news.is_over:
                return events
            await news.take(left)
