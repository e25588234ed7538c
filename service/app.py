"""Builds the ASGI application from the settings."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route, Router

from bakehouse.access.store import ApiKeyStore
from bakehouse.data.catalog import Catalog
from bakehouse.experiments.document import ExperimentDocument
from bakehouse.experiments.ensemble import Ensemble, EnsembleRequest
from bakehouse.experiments.extension import Extension
from bakehouse.experiments.store import ExperimentStore
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.async_store import AsyncStore, connect_async
from bakehouse.runs.brief import BriefPage
from bakehouse.runs.keys import Keys
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.run import Page, Run
from bakehouse.runs.split import RunSplit
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bakehouse.store.open_store import open_store
from bakehouse.tasks.predictions import PredictionAnswer
from bakehouse.tasks.preview import RecipePreview
from bakehouse.tasks.queue import TaskQueue
from bakehouse.tasks.samples import DatasetSamples
from bakehouse.uploads.record import DatasetDraft
from bakehouse.uploads.records import DatasetRecords
from bakehouse.version import VERSION
from bakehouse.what_if import WhatIf
from bakehouse.what_if_question import WhatIfQuestion
from service.access import Access
from service.dependencies import Services, require_access
from service.digests import Digests, hash_file
from service.error_responses import HANDLED_ERRORS, respond_to_error
from service.experiments import ExperimentPreview
from service.folder_check import FolderCheck
from service.hub import BLOCK_MS, Hub, end_task
from service.middleware import RequestGuard
from service.open_checkpoints import OpenCheckpoints
from service.openapi import complete_document
from service.predictions import Predictions
from service.preparation import Preparation
from service.previews import Previews
from service.routes import (
    checkpoints,
    cookbook,
    dataset_files,
    datasets,
    docs,
    ensembles,
    events,
    experiments,
    page,
    predictions,
    problems,
    recipes,
    runs,
    samples,
    session,
    system,
    what_if,
)
from service.submit import Preview
from service.tasks import Tasks, connect_for_answers
from service.uploads import Uploads

# The hub's reader waits in Redis for up to BLOCK_MS; if the reply takes much longer, the connection is dead.
READER_TIMEOUT_SECONDS = 2 * BLOCK_MS / 1000
# Redis takes a tenth of a second to store a thousand runs, and a slow machine or disk many times as long.
MANY_RUNS_SECONDS = 5.0
DESCRIPTION = """POST a training recipe, watch it train, download the best checkpoint.

The three examples of `POST /v1/runs` are recipes to begin with. The `type` of a failure is the address of a page with
its cause and what to do; [problems](problems) lists all of them. [llms.txt](llms.txt) describes the API for programs.
Every response has the headers `X-Request-Id`, under which the service logs the request, and `Bakehouse-Version`.
"""

log = logging.getLogger(__name__)


def make_services(settings: Settings, redis_url: str) -> Services:
    """Makes everything that the routes work with, without connecting to anything yet."""
    # A request must not hang while Redis is away, so this client gives up after two tries.
    redis = connect(redis_url, patient=False)
    # The hub's reader has a client of its own, because it waits in Redis longer than the other's timeout.
    reader = AsyncRedis.from_url(redis_url, socket_timeout=READER_TIMEOUT_SECONDS, socket_connect_timeout=2.0)
    artifacts = open_artifacts(settings)
    store = Store(redis, lease_seconds=settings.lease_seconds, artifacts=artifacts)
    wake_queue = WakeQueue(redis)
    async_store = AsyncStore(connect_async(redis_url), wake_queue)
    uploads = Uploads(settings, DatasetRecords(redis, settings), open_store(settings))
    catalog = Catalog(settings, why_not_ready=uploads.why_not_ready)
    preparation = Preparation(settings, store, async_store, catalog)
    answers = connect_for_answers(redis_url)
    tasks = Tasks(answers, TaskQueue(redis))
    return Services(
        settings=settings,
        store=store,
        async_store=async_store,
        experiments=ExperimentStore(redis, Store(connect(redis_url, patient=False, reply_seconds=MANY_RUNS_SECONDS))),
        artifacts=artifacts,
        folder_check=FolderCheck(settings, store),
        catalog=catalog,
        uploads=uploads,
        preparation=preparation,
        tasks=tasks,
        predictions=Predictions(answers, store),
        previews=Previews(preparation, tasks, answers),
        wake_queue=wake_queue,
        hub=Hub(reader, Keys(), store.logs),
        digests=Digests(hash_file),
        open_checkpoints=OpenCheckpoints(),
        access=Access(settings, ApiKeyStore(redis)),
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs the hub's reader as long as the application lives."""
    services: Services = app.state.services
    # The store's client blocks, so it must not be called in the event loop.
    await run_in_threadpool(warn_of_data_loss, services.store)
    with suppress(RedisError):
        await services.access.refresh()
    tasks = [asyncio.create_task(services.hub.listen()), asyncio.create_task(services.access.listen())]
    yield
    for task in tasks:
        await end_task(task)


def warn_of_data_loss(store: Store) -> None:
    """Logs a warning for each setting of Redis with which accepted runs may be lost."""
    try:
        for problem in store.check_durability():
            log.warning("ACCEPTED RUNS MAY BE LOST: %s", problem)
    except RedisError as error:
        log.warning("Redis does not answer yet: %s", type(error).__name__)


def create_api(services: Services) -> FastAPI:
    """Returns the application with its routes and error handlers, but without the middleware."""
    api = FastAPI(
        title="Bakehouse",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        # routes/docs.py serves Swagger UI from this machine; FastAPI's page would load it from a CDN.
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(require_access)],
        # Relative to the document, so that it is also right behind a proxy that adds a prefix to the path.
        servers=[{"url": "."}],
    )
    api.state.services = services
    # The routes encode and parse these models themselves, so FastAPI would leave them out of the OpenAPI document.
    api.state.encoded_models = (
        Run, Page, BriefPage, Preview, Recipe, RecipePreview, RunSplit, DatasetSamples, WhatIf, ExperimentPreview,
        Ensemble, PredictionAnswer, session.Session,
    )  # fmt: skip
    api.state.parsed_models = (
        runs.RunPatch, DatasetDraft, datasets.PartDigests, WhatIfQuestion,
        ExperimentDocument, Extension, experiments.ExperimentPatch, EnsembleRequest,
        experiments.AblationRequest, session.SignIn,
    )  # fmt: skip
    runs.add_plain_routes(api)
    checkpoints.add_plain_routes(api)
    predictions.add_plain_routes(api)
    modules = (
        runs, experiments, ensembles, what_if, events, checkpoints, recipes, cookbook, datasets, dataset_files, samples,
        session, system, page, docs, problems,
    )  # fmt: skip
    api.state.paths = list_paths(api.router, *(module.router for module in modules))
    for module in modules:
        api.include_router(module.router)
    for kind in HANDLED_ERRORS:
        api.add_exception_handler(kind, respond_to_error)
    complete_openapi(api)
    return api


def list_paths(*routers: Router) -> tuple[str, ...]:
    """Lists the paths of the API and its documentation, which a client may mean by a misspelt one."""
    routes = (route for router in routers for route in router.routes if isinstance(route, Route))
    paths = dict.fromkeys(route.path for route in routes)
    # The page, and the files of the page and of the documentation, are addresses that nobody types.
    return tuple(path for path in paths if path not in ("/", "/page/{name}", "/docs/{name}", "/docs/start.js"))


def complete_openapi(api: FastAPI) -> None:
    """Replaces the framework's OpenAPI document by a completed one, which is made when it is first requested."""
    make_document = api.openapi

    def openapi() -> JsonObject:
        if api.openapi_schema is None:
            api.openapi_schema = complete_document(api, make_document())
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def create_app(services: Services) -> RequestGuard:
    """Returns the whole application, including the middleware."""
    return RequestGuard(create_api(services), services.settings, services.access)
