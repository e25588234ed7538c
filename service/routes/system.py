"""Shows the workers, the queue, and the health of the service."""

from typing import Literal

from fastapi import APIRouter, Depends

from bakehouse.model import Model
from bakehouse.runs.queue import QUEUE
from bakehouse.runs.run import QueuePlace, TaskProcess, Worker
from bakehouse.system.checks import check_system
from bakehouse.system.system import Port, System, inspect
from bakehouse.version import VERSION
from service.dependencies import ServicesDep, refuse_unknown_parameters
from service.openapi import problems

router = APIRouter(tags=["system"], dependencies=[Depends(refuse_unknown_parameters)])
MAX_LISTED_RUNS = 100


class Workers(Model):
    """The workers that have reported recently."""

    data: tuple[Worker, ...]
    task_processes: tuple[TaskProcess, ...] = ()
    """The processes beside the workers that carry out short tasks, such as previews, and train nothing."""


class QueuedRun(QueuePlace):
    """A run that waits for a worker, with its position in the queue and the reason why it waits."""

    run_id: str


class Queue(Model):
    """The runs that wait for a worker, in the order in which workers take them."""

    name: str
    length: int
    """Number of runs that wait."""
    data: tuple[QueuedRun, ...]
    """The first hundred of the runs that wait."""


class Queues(Model):
    """All queues."""

    data: tuple[Queue, ...]


class Alive(Model):
    """The response that shows that the process is running."""

    status: Literal["alive"] = "alive"


class Ready(Model):
    """The response that shows that the service accepts runs."""

    status: Literal["ready"] = "ready"
    version: str
    workers: int
    """Number of workers that have reported recently."""
    warnings: tuple[str, ...]
    """Warnings: settings of Redis with which accepted runs may be lost, and that no worker is there."""


@router.get("/v1/workers", operation_id="list_workers", responses=problems(503))
def list_workers(services: ServicesDep) -> Workers:
    """Lists the workers, their devices, and the run that each of them trains; and the task processes."""
    store = services.store
    return Workers(data=tuple(store.workers()), task_processes=tuple(store.task_processes()))


@router.get("/v1/queues", operation_id="list_queues", responses=problems(503))
def list_queues(services: ServicesDep) -> Queues:
    """Lists the runs that wait for a worker, each with the reason why it waits."""
    run_ids = services.store.waiting(MAX_LISTED_RUNS)
    places = zip(run_ids, services.store.places(run_ids), strict=True)
    # A run may have been claimed meanwhile.
    runs = tuple(QueuedRun(run_id=run_id, **dict(place)) for run_id, place in places if place)
    return Queues(data=(Queue(name=QUEUE, length=services.store.claimable_count(), data=runs),))


@router.get("/v1/system", operation_id="get_system")
def get_system(services: ServicesDep) -> System:
    """Checks Redis, the disk, the workers, devices and versions. Also answers while Redis is down."""
    port = Port(address="this address", holder="bakehouse", detail=f"Bakehouse {VERSION}")
    return check_system(inspect(services.settings, services.settings.redis_url, port))


@router.get("/healthz/live", operation_id="is_alive")
async def is_alive() -> Alive:
    """Shows that the process is running."""
    # Redis is not asked: a restart of the service would not help if Redis is down.
    return Alive()


@router.get("/healthz/ready", operation_id="is_ready", responses=problems(503))
def is_ready(services: ServicesDep) -> Ready:
    """Checks whether the service would accept a run now: Redis takes writes, and the disk has room for its files."""
    warnings = services.store.check_durability()
    workers = len(services.store.workers())
    if workers == 0:
        warnings.append("No worker is running: runs are accepted, and wait until `bakehouse worker` starts one.")
    services.store.check_writes()
    services.folder_check.check_now()
    return Ready(version=VERSION, workers=workers, warnings=tuple(warnings))
