"""Checkpoints: what was kept, and the weights."""

import logging
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.responses import RedirectResponse

from bakehouse.model import Model
from bakehouse.runs.artifacts import WEIGHTS
from bakehouse.runs.record import Record
from bakehouse.runs.run import Checkpoint
from service.dependencies import RunId, Services, ServicesDep, refuse_unknown_parameters
from service.downloads import download
from service.errors import CheckpointNotFound, StoreUnavailable
from service.openapi import problems

router = APIRouter(
    prefix="/v1/runs/{run_id}/checkpoints", tags=["checkpoints"], dependencies=[Depends(refuse_unknown_parameters)]
)
EPOCH = re.compile(r"\d{1,9}")
FAILURES = problems(404, 503)
MOVED: dict[int | str, dict[str, Any]] = {307: {"description": "Of a role: where its epoch is."}}
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

log = logging.getLogger(__name__)

Which = Annotated[str, Path(description="An epoch, `best` or `last`.")]


class Checkpoints(Model):
    """What a run keeps, by epoch."""

    data: tuple[Checkpoint, ...]
    """One without roles was replaced and goes soon."""


@router.get("", operation_id="list_checkpoints", responses=FAILURES)
def list_checkpoints(run_id: RunId, parts: ServicesDep) -> Checkpoints:
    """The checkpoints that can be downloaded now."""
    return Checkpoints(data=parts.store.record(run_id).checkpoints)


@router.get("/{which}", operation_id="get_checkpoint", response_model=Checkpoint, responses={**MOVED, **FAILURES})
def get_checkpoint(run_id: RunId, which: Which, parts: ServicesDep) -> Checkpoint | Response:
    """One of them; `best` and `last` lead to the epoch that has that role now."""
    checkpoint = find(parts.store.record(run_id), which)
    return checkpoint if EPOCH.fullmatch(which) else moved(run_id, checkpoint)


@router.get(f"/{{which}}/{WEIGHTS}", operation_id="get_weights", response_class=Response,
            responses={200: {"content": BINARY, "description": "The weights; they never change."},
                       206: {"content": BINARY, "description": "A part of them."}, 304: {"description": "The same."},
                       **MOVED, **FAILURES, **problems(412, 416)})  # fmt: skip
def get_weights(run_id: RunId, which: Which, parts: ServicesDep, request: Request) -> Response:
    """The weights as one safetensors file, in whole or from a place on."""
    return weights(parts, run_id, which, request)


@router.head(f"/{{which}}/{WEIGHTS}", operation_id="head_weights", response_class=Response,
             responses={200: {"description": "What GET would say."}, 304: {"description": "The same."},
                        **MOVED, **FAILURES, **problems(412)})  # fmt: skip
def head_weights(run_id: RunId, which: Which, parts: ServicesDep, request: Request) -> Response:
    """Size and digest of the weights."""
    return weights(parts, run_id, which, request)


def weights(parts: Services, run_id: str, which: str, request: Request) -> Response:
    """The file, or where it is."""
    checkpoint = find(parts.store.record(run_id), which)
    if not EPOCH.fullmatch(which):
        return moved(run_id, checkpoint, below=f"/{WEIGHTS}")
    path = parts.artifacts.checkpoint_path(run_id, checkpoint.sha256)
    filename = f"{run_id}-epoch-{checkpoint.epoch}.safetensors"
    try:
        return download(path, checkpoint, filename, request.headers, only_head=request.method == "HEAD")
    except OSError as error:
        # The run may have been deleted, or the checkpoint purged, since the record was read.
        find(parts.store.record(run_id), which)
        log.error("a listed checkpoint cannot be opened: %s", error)
        raise StoreUnavailable(run_id, error) from error


def find(record: Record, which: str) -> Checkpoint:
    """By epoch or by role."""
    for checkpoint in record.checkpoints:
        if which in (str(checkpoint.epoch), *checkpoint.roles):
            return checkpoint
    raise CheckpointNotFound(record.id)


def moved(run_id: str, checkpoint: Checkpoint, below: str = "") -> Response:
    """A role's address says where its epoch is, for now."""
    place = f"/v1/runs/{run_id}/checkpoints/{checkpoint.epoch}{below}"
    return RedirectResponse(place, 307, headers={"Cache-Control": "no-store"})
