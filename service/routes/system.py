"""Who works, what waits, whether the service is alive; where everything is."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Depends

from bakehouse.model import Model
from bakehouse.runs.marker import name_folder
from bakehouse.runs.queue import QUEUE
from bakehouse.runs.record import queue_place
from bakehouse.runs.run import QueuePlace, Worker
from service.dependencies import ServicesDep, refuse_unknown_parameters
from service.errors import NotReady
from service.openapi import problems

router = APIRouter(tags=["system"], dependencies=[Depends(refuse_unknown_parameters)])
VERSION = version("bakehouse")
LISTED = 100


class Workers(Model):
    """Workers that were heard of lately."""

    data: tuple[Worker, ...]


class WaitingRun(QueuePlace):
    """A run that waits, and why."""

    run_id: str


class WaitingLine(Model):
    """What waits for a worker, in the order in which it is taken."""

    name: str
    length: int
    data: tuple[WaitingRun, ...]
    """The first hundred."""


class Queues(Model):
    """Everything that waits."""

    data: tuple[WaitingLine, ...]


class Alive(Model):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Model):
    """Redis answers and files can be written."""

    status: Literal["ready"] = "ready"
    version: str
    warnings: tuple[str, ...]
    """What is wrong with Redis's settings: with these, what was accepted may be lost."""


class Index(Model):
    """Where everything is."""

    name: str
    version: str
    links: dict[str, str]


@router.get("/", operation_id="index")
async def index() -> Index:
    """Where everything is."""
    names = ("docs", "openapi.json", "v1/runs", "v1/datasets", "v1/recipes/ingredients", "v1/workers", "v1/queues")
    return Index(name="bakehouse", version=VERSION, links={name.rpartition("/")[2]: f"/{name}" for name in names})


@router.get("/v1/workers", operation_id="list_workers", responses=problems(503))
def list_workers(parts: ServicesDep) -> Workers:
    """Who is there, on what device, doing what."""
    return Workers(data=tuple(parts.store.workers()))


@router.get("/v1/queues", operation_id="list_queues", responses=problems(503))
def list_queues(parts: ServicesDep) -> Queues:
    """What waits and why."""
    workers = len(parts.store.workers())
    places = ((run_id, queue_place(rank, workers)) for rank, run_id in enumerate(parts.store.waiting(LISTED)))
    data = tuple(WaitingRun(run_id=run_id, **dict(place)) for run_id, place in places)
    return Queues(data=(WaitingLine(name=QUEUE, length=parts.store.claimable_count(), data=data),))


@router.get("/healthz/live", operation_id="is_alive")
async def is_alive() -> Alive:
    """Whether the process answers."""
    return Alive()


@router.get("/healthz/ready", operation_id="is_ready", responses=problems(503))
def is_ready(parts: ServicesDep) -> Ready:
    """Whether runs can be accepted."""
    warnings = tuple(parts.store.check_durability())
    try:
        parts.artifacts.check_writable()
    except OSError as error:
        raise NotReady("Files cannot be written.") from error
    name_folder(parts.settings, parts.store)
    return Ready(version=VERSION, warnings=warnings)
