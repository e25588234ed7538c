"""The application: settings in, ASGI out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from bakehouse.data.catalog import Catalog
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.keys import Keys
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service.dependencies import Services
from service.errors import HANDLED, answer_error
from service.hub import BLOCK_MS, Hub
from service.middleware import RequestGuard
from service.openapi import complete
from service.routes import checkpoints, datasets, docs, events, recipes, runs, system

# The reader waits in Redis; this is there to notice a connection that died meanwhile.
READER_SECONDS = 2 * BLOCK_MS / 1000

log = logging.getLogger(__name__)


def make_services(settings: Settings, redis_url: str) -> Services:
    """What the service works with; connects to nothing yet."""
    redis = connect(redis_url, patient=False)
    reader = AsyncRedis.from_url(redis_url, socket_timeout=READER_SECONDS, socket_connect_timeout=2.0)
    return Services(
        settings=settings,
        store=Store(redis, lease_seconds=settings.lease_seconds),
        artifacts=Artifacts(settings.artifacts),
        catalog=Catalog(settings),
        wake_queue=WakeQueue(redis),
        hub=Hub(reader, Keys()),
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The one reader lives as long as the application."""
    parts: Services = app.state.parts
    await run_in_threadpool(warn, parts.store)
    reader = asyncio.create_task(parts.hub.listen())
    yield
    reader.cancel()
    await asyncio.wait([reader])


def warn(store: Store) -> None:
    """Says loudly what may be lost."""
    try:
        for problem in store.check_durability():
            log.warning("ACCEPTED RUNS MAY BE LOST: %s", problem)
    except RedisError as error:
        log.warning("Redis does not answer yet: %s", type(error).__name__)


def create_api(parts: Services) -> FastAPI:
    """Routes and errors, without the border."""
    api = FastAPI(
        title="Bakehouse",
        version=system.VERSION,
        description="POST a training recipe, watch it train, download the best checkpoint.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.parts = parts
    api.state.bodies = [runs.RunPatch]
    for module in (runs, events, checkpoints, recipes, datasets, system, docs):
        api.include_router(module.router)
    for kind in HANDLED:
        api.add_exception_handler(kind, answer_error)
    describe(api)
    return api


def describe(api: FastAPI) -> None:
    """The framework's description, completed; made at its first use."""
    write = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = complete(api, write())
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def create_app(parts: Services) -> RequestGuard:
    """The whole service."""
    return RequestGuard(create_api(parts), max_body_bytes=parts.settings.max_body_bytes)
