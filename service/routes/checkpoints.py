"""/v1/runs/{run_id}/checkpoints: lists and downloads the saved weights of a run."""

import logging
import os
import re
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from bakehouse.model import JsonObject, Model
from bakehouse.runs.artifacts import WEIGHTS
from bakehouse.runs.record import Record
from bakehouse.runs.run import Checkpoint
from service.dependencies import RunId, Services, ServicesDep, refuse_unknown_parameters
from service.digests import Digests
from service.downloads import download
from service.errors import CheckpointDamaged, CheckpointNotFound, StoreUnavailable
from service.openapi import problems

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


@router.get(f"/{{epoch_or_role}}/{WEIGHTS}", operation_id="get_weights", response_class=Response,
            responses={200: {"content": BINARY, "description": "The weights; they never change."},
                       206: {"content": BINARY, "description": "The requested range of bytes."},
                       304: {"description": "The client has these weights already."},
                       **REDIRECT, **FAILURES, **problems(410, 412, 416)})  # fmt: skip
async def get_weights(run_id: RunId, epoch_or_role: EpochOrRole, services: ServicesDep, request: Request) -> Response:
    """Downloads the weights as one safetensors file, whole or a range of bytes."""
    return await send_weights(services, run_id, epoch_or_role, request)


# If HEAD became GET here, as on other routes, the server would read the whole file and drop it.
@router.head(f"/{{epoch_or_role}}/{WEIGHTS}", operation_id="head_weights", response_class=Response,
             responses={200: {"description": "The same headers as for GET."},
                        304: {"description": "The client has these weights already."},
                        **REDIRECT, **FAILURES, **problems(410, 412)})  # fmt: skip
async def head_weights(run_id: RunId, epoch_or_role: EpochOrRole, services: ServicesDep, request: Request) -> Response:
    """Returns the size and the digest of the weights."""
    return await send_weights(services, run_id, epoch_or_role, request)


async def send_weights(services: Services, run_id: str, epoch_or_role: str, request: Request) -> Response:
    """Returns the weights file of an epoch; redirects `best` and `last` to the epoch that they stand for."""
    checkpoint = services.checkpoint_cache.get(run_id, epoch_or_role)
    if checkpoint is None:
        checkpoint = find_checkpoint(await run_in_threadpool(services.store.record, run_id), epoch_or_role)
        if not EPOCH.fullmatch(epoch_or_role):
            return redirect(f"../{checkpoint.epoch}/{WEIGHTS}")
        services.checkpoint_cache.put(run_id, epoch_or_role, checkpoint)
    filename = f"{run_id}-epoch-{checkpoint.epoch}.safetensors"
    try:
        with await run_in_threadpool(services.artifacts.checkpoint_path(run_id, checkpoint.sha256).open, "rb") as file:
            await refuse_damaged(services.digests, file, run_id, checkpoint)
            return download(file, checkpoint, filename, request.headers, only_head=request.method == "HEAD")
    except OSError as error:
        # Raises CheckpointNotFound if the run was deleted or the checkpoint purged since the record was read.
        find_checkpoint(await run_in_threadpool(services.store.record, run_id), epoch_or_role)
        log.error("A listed checkpoint cannot be read: %s", error)
        raise StoreUnavailable(run_id, error) from error


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
