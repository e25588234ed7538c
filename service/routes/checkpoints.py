"""/v1/runs/{run_id}/checkpoints: lists and downloads the saved weights of a run."""

import logging
import os
import re
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from bakehouse.model import JsonObject, Model
from bakehouse.runs.artifacts import WEIGHTS
from bakehouse.runs.record import Record
from bakehouse.runs.run import Checkpoint
from service.dependencies import (
    RunId,
    Services,
    ServicesDep,
    possible_run_id,
    refuse_unknown_parameters,
    services_of,
)
from service.digests import Digests
from service.downloads import download
from service.errors import CheckpointDamaged, CheckpointNotFound, StoreUnavailable
from service.open_checkpoints import OpenCheckpoint
from service.openapi import problems
from service.plain_routes import add_plain_route

router = APIRouter(
    prefix="/v1/runs/{run_id}/checkpoints", tags=["checkpoints"], dependencies=[Depends(refuse_unknown_parameters)]
)
EPOCH = re.compile(r"\d{1,9}")
FAILURES = problems(404, 503)
REDIRECT: dict[int | str, JsonObject] = {307: {"description": "Redirects a role to the epoch that has it now."}}
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

log = logging.getLogger(__name__)

EpochOrRole = Annotated[str, Path(description="The number of an epoch, `best` or `last`.")]


class Checkpoints(Model):
    """The checkpoints of a run, ordered by epoch."""

    data: tuple[Checkpoint, ...]
    """The checkpoints. One without roles was replaced and will soon be deleted."""


@router.get("", operation_id="list_checkpoints", responses=FAILURES)
def list_checkpoints(run_id: RunId, services: ServicesDep) -> Checkpoints:
    """Lists the checkpoints that can be downloaded now."""
    return Checkpoints(data=services.store.record(run_id).checkpoints)


@router.get("/{epoch_or_role}", operation_id="get_checkpoint", response_model=Checkpoint,
            responses={**REDIRECT, **FAILURES})  # fmt: skip
def get_checkpoint(run_id: RunId, epoch_or_role: EpochOrRole, services: ServicesDep) -> Checkpoint | Response:
    """Returns one checkpoint. `best` and `last` redirect to the epoch that has this role now."""
    checkpoint = find_checkpoint(services.store.record(run_id), epoch_or_role)
    return checkpoint if EPOCH.fullmatch(epoch_or_role) else redirect(str(checkpoint.epoch))


def describe_weights(run_id: RunId, epoch_or_role: EpochOrRole) -> None:
    """Describes the parameters of `get_weights` and `head_weights` in the OpenAPI document."""


async def get_weights(request: Request) -> Response:
    """Downloads the weights as one safetensors file, whole or a range of bytes."""
    return await send_weights(request, only_head=False)


async def head_weights(request: Request) -> Response:
    """Returns the size and the digest of the weights."""
    return await send_weights(request, only_head=True)


def add_plain_routes(api: FastAPI) -> None:
    """Adds the routes of the weights, of which many ranges may be downloaded at once."""
    path = f"{router.prefix}/{{epoch_or_role}}/{WEIGHTS}"
    add_plain_route(
        api, path, endpoint=get_weights, methods=["GET"], tags=["checkpoints"], operation_id="get_weights",
        response_class=Response, dependencies=[Depends(describe_weights)],
        responses={200: {"content": BINARY, "description": "The weights; they never change."},
                   206: {"content": BINARY, "description": "The requested range of bytes."},
                   304: {"description": "The client has these weights already."},
                   **REDIRECT, **FAILURES, **problems(410, 412, 416)},
    )  # fmt: skip
    # If HEAD became GET here, as on other routes, the server would read the whole file and drop it.
    add_plain_route(
        api, path, endpoint=head_weights, methods=["HEAD"], tags=["checkpoints"], operation_id="head_weights",
        response_class=Response, dependencies=[Depends(describe_weights)],
        responses={200: {"description": "The same headers as for GET."},
                   304: {"description": "The client has these weights already."},
                   **REDIRECT, **FAILURES, **problems(410, 412)},
    )  # fmt: skip


async def send_weights(request: Request, *, only_head: bool) -> Response:
    """Returns the weights file of an epoch; redirects `best` and `last` to the epoch that they stand for."""
    await refuse_unknown_parameters(request)
    run_id, epoch_or_role = possible_run_id(request.path_params["run_id"]), request.path_params["epoch_or_role"]
    services = services_of(request)
    opened = services.open_checkpoints.get(run_id, epoch_or_role)
    if opened is None:
        checkpoint = await current_checkpoint(services, run_id, epoch_or_role)
        if not EPOCH.fullmatch(epoch_or_role):
            return redirect(f"../{checkpoint.epoch}/{WEIGHTS}")
        opened = await open_checkpoint(services, run_id, checkpoint)
    filename = f"{run_id}-epoch-{opened.checkpoint.epoch}.safetensors"
    # The file may be closed while its digest is calculated.
    with opened.duplicate() as file:
        await refuse_damaged(services.digests, file, run_id, opened.checkpoint)
        return download(file, opened.checkpoint, filename, request.headers, only_head=only_head)


async def current_checkpoint(services: Services, run_id: str, epoch_or_role: str) -> Checkpoint:
    """Returns the checkpoint that the run has now; raises CheckpointNotFound."""
    return find_checkpoint(await run_in_threadpool(services.store.record, run_id), epoch_or_role)


async def open_checkpoint(services: Services, run_id: str, checkpoint: Checkpoint) -> OpenCheckpoint:
    """Opens the file of a checkpoint; raises StoreUnavailable if it cannot be read."""
    try:
        file = await run_in_threadpool(open_weights, services, run_id, checkpoint)
    except OSError as error:
        # Raises CheckpointNotFound if the run was deleted or the checkpoint purged since the record was read.
        await current_checkpoint(services, run_id, str(checkpoint.epoch))
        log.error("A listed checkpoint cannot be read: %s", error)
        raise StoreUnavailable(run_id, error) from error
    opened = OpenCheckpoint(checkpoint, file)
    services.open_checkpoints.put(run_id, str(checkpoint.epoch), opened)
    return opened


def open_weights(services: Services, run_id: str, checkpoint: Checkpoint) -> BinaryIO:
    """Opens the file of a checkpoint, which is fetched before if it is not on this machine. Raises OSError."""
    return services.artifacts.checkpoint_path(run_id, checkpoint.sha256).open("rb", buffering=0)


async def refuse_damaged(digests: Digests, file: BinaryIO, run_id: str, checkpoint: Checkpoint) -> None:
    """Raises CheckpointDamaged if the file is not the one that was saved."""
    size = os.fstat(file.fileno()).st_size
    if size != checkpoint.bytes:
        why = f"it has {size} bytes instead of {checkpoint.bytes}"
    elif (sha256 := await digests.sha256(file.fileno())) != checkpoint.sha256:
        why = f"its sha256 is {sha256} instead of {checkpoint.sha256}"
    else:
        return
    log.error("A checkpoint of the run %s is damaged: %s", run_id, why)
    raise CheckpointDamaged(run_id, checkpoint.epoch, why)


def find_checkpoint(record: Record, epoch_or_role: str) -> Checkpoint:
    for checkpoint in record.checkpoints:
        if epoch_or_role in (str(checkpoint.epoch), *checkpoint.roles):
            return checkpoint
    raise CheckpointNotFound(record.id)


def redirect(location: str) -> Response:
    """Redirects a role to the epoch that has it now, by a relative reference, which is also correct behind a proxy.
    The response must not be cached, because the role may move on."""
    return RedirectResponse(location, 307, headers={"Cache-Control": "no-store"})
