"""/v1/runs: submit, look, ask, rename, delete."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from bakehouse.model import Model
from bakehouse.recipe.recipe import LabelKey, LabelValue, Recipe
from bakehouse.runs.commands import Ask, Command, Rename, Resume
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.record import Created
from bakehouse.runs.run import Page, Run, Status
from service.dependencies import (
    IdempotencyKey,
    IfNoneMatch,
    Labels,
    PostedJson,
    Prefer,
    RunId,
    Services,
    ServicesDep,
    parse_labels,
    refuse_unknown_parameters,
)
from service.errors import ErrorDetail, InvalidRequest, field_flaw
from service.long_poll import changed_run, etag, matches, wait_seconds
from service.metrics import Metrics, all_events, as_csv, read_metrics
from service.openapi import any_object, json_body, problems
from service.submit import Preview, fork, preview, retry, submit, wake

router = APIRouter(prefix="/v1/runs", tags=["runs"], dependencies=[Depends(refuse_unknown_parameters)])
NO_CACHE = "no-cache"


class RunPatch(Model):
    """What of a run may change; what is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Null takes the name away."""
    labels: dict[LabelKey, LabelValue | None] = {}
    """Added to the run's; null takes a label away."""


class Deleted(Model):
    """A run that is gone."""

    id: str
    bytes_freed: int
    """Of its files."""


@router.post("", status_code=201, operation_id="create_run", response_model=Run, openapi_extra=json_body("Recipe"),
             responses={200: {"model": Preview, "description": "With `validate_only`."},
                        **problems(400, 409, 413, 415, 422, 503)})  # fmt: skip
def create_run(
    document: PostedJson, parts: ServicesDep, response: Response, key: IdempotencyKey, validate_only: bool = False
) -> Run | Response:
    """Queues a recipe. With `validate_only` nothing is stored: the answer says what it would be."""
    if validate_only:
        return Response(preview(parts, document).model_dump_json(), media_type="application/json")
    return announce(submit(parts, document, key), response)


def announce(created: Created, response: Response) -> Run:
    """A new run with where it is."""
    response.headers["Location"] = f"/v1/runs/{created.run.id}"
    if created.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return created.run


@router.get("", operation_id="list_runs", responses=problems(422, 503))
def list_runs(
    parts: ServicesDep,
    label: Labels = [],  # noqa: B006 - FastAPI copies it
    status: Status | None = None,
    dataset: Annotated[str | None, Query(max_length=64)] = None,
    architecture: Annotated[str | None, Query(max_length=64)] = None,
    recipe_sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    after: Annotated[str | None, Query(max_length=64, description="Runs older than this one.")] = None,
    before: Annotated[str | None, Query(max_length=64, description="Runs newer than this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page:
    """Newest first, page by page: `after` is the last id of the page before."""
    if after and before:
        raise InvalidRequest(ErrorDetail(parameter="before", code="conflict", message="after or before, not both"))
    return parts.store.page(
        status=status, labels=parse_labels(label), dataset=dataset, architecture=architecture,
        recipe_sha256=recipe_sha256, after=after, before=before, limit=limit,
    )  # fmt: skip


@router.get("/{run_id}", operation_id="get_run", response_model=Run,
            responses={304: {"description": "Not changed."}, **problems(404, 503)})  # fmt: skip
async def get_run(
    run_id: RunId, parts: ServicesDep, response: Response, if_none_match: IfNoneMatch = None, prefer: Prefer = None
) -> Run | Response:
    """The run. Its weak ETag covers everything but the progress and the place in the queue."""
    headers = {"Cache-Control": NO_CACHE}
    if seconds := wait_seconds(prefer):
        await parts.hub.ready()
        headers["Preference-Applied"] = f"wait={seconds}"
        run = await changed_run(parts.hub, parts.store, run_id, known=if_none_match, seconds=seconds)
    else:
        run = await run_in_threadpool(parts.store.get, run_id)
    headers["ETag"] = etag(run)
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return run


@router.get("/{run_id}/recipe", operation_id="get_run_recipe", responses=problems(404, 503))
def get_run_recipe(run_id: RunId, parts: ServicesDep) -> Recipe:
    """The canonical recipe as executed: POSTing it again gives the same run."""
    return parts.store.record(run_id).recipe


@router.get("/{run_id}/metrics", operation_id="get_run_metrics", response_model=Metrics,
            responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "Columns."},
                       **problems(404, 422, 503)})  # fmt: skip
def get_run_metrics(
    run_id: RunId,
    parts: ServicesDep,
    names: Annotated[list[str], Query(description="Metrics, separated by commas; by default all.")] = [],  # noqa: B006
    max_points: Annotated[
        int | None,
        Query(
            ge=1,
            le=1_000_000,
            description="About so many rows of each; the ends and each column's extremes stay, if need be as more.",
        ),
    ] = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the parameter's name
) -> Metrics | Response:
    """Columns by epoch and by step."""
    wanted = [name for each in names for name in each.split(",") if name]
    metrics = read_metrics(all_events(parts.store, run_id), names=wanted, max_points=max_points)
    if format == "json":
        return metrics
    headers = {"Content-Disposition": f'attachment; filename="{run_id}-metrics.csv"'}
    return Response(as_csv(metrics), media_type="text/csv", headers=headers)


@router.post("/{run_id}/cancel", status_code=202, operation_id="cancel_run", responses=problems(404, 409, 503))
def cancel_run(run_id: RunId, parts: ServicesDep) -> Run:
    """Ends the run within a step; nothing more is kept."""
    return ask(parts, run_id, Ask("cancel"))


@router.post("/{run_id}/stop", status_code=202, operation_id="stop_run", responses=problems(404, 409, 503))
def stop_run(run_id: RunId, parts: ServicesDep) -> Run:
    """Ends the run now and keeps its best."""
    return ask(parts, run_id, Ask("stop"))


@router.post("/{run_id}/pause", status_code=202, operation_id="pause_run", responses=problems(404, 409, 503))
def pause_run(run_id: RunId, parts: ServicesDep) -> Run:
    """Frees the worker; `resume` goes on where the run stood."""
    return ask(parts, run_id, Ask("pause"))


@router.post("/{run_id}/resume", status_code=202, operation_id="resume_run", responses=problems(404, 409, 503))
def resume_run(run_id: RunId, parts: ServicesDep) -> Run:
    """Queues a paused run, or withdraws a pause."""
    return ask(parts, run_id, Resume())


def ask(parts: Services, run_id: str, command: Command) -> Run:
    """What the run is after the command. One that is over does not go on: its resume states go."""
    if parts.store.command(run_id, command).is_over:
        parts.artifacts.keep_resumes(run_id, 0)
    return wake(parts, parts.store.get(run_id))


@router.post("/{run_id}/retry", status_code=201, operation_id="retry_run", responses=problems(400, 404, 409, 422, 503))
def retry_run(run_id: RunId, parts: ServicesDep, response: Response, key: IdempotencyKey) -> Run:
    """A new run of the same recipe that names this one as its origin; this one must be over."""
    return announce(retry(parts, run_id, key), response)


@router.post("/{run_id}/fork", status_code=201, operation_id="fork_run", response_model=Run,
             openapi_extra=any_object(), responses=problems(400, 404, 409, 413, 415, 422, 503))  # fmt: skip
def fork_run(run_id: RunId, document: PostedJson, parts: ServicesDep, response: Response, key: IdempotencyKey) -> Run:
    """A new run that begins with the best weights of this one, in all layers; this one must be over.

    The body is a JSON merge patch of the recipe, in which an object of another `type` takes the place of the old one.
    """
    return announce(fork(parts, run_id, document, key), response)


@router.patch("/{run_id}", operation_id="change_run", openapi_extra=json_body("RunPatch"),
              responses=problems(400, 404, 413, 415, 422, 503))  # fmt: skip
def change_run(run_id: RunId, document: PostedJson, parts: ServicesDep) -> Run:
    """Another name, other labels."""
    patch = read_patch(document)
    refuse_many({**parts.store.record(run_id).labels, **patch.labels})
    keep_name = "name" not in patch.model_fields_set
    parts.store.command(run_id, Rename(patch.name, patch.labels, keep_name=keep_name))
    return parts.store.get(run_id)


def read_patch(document: Any) -> RunPatch:
    """Checked like the same fields of a recipe."""
    try:
        return RunPatch.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest(*(field_flaw(each) for each in error.errors(include_url=False))) from error


def refuse_many(labels: Mapping[str, str | None]) -> None:
    """As many as a recipe may have."""
    if sum(value is not None for value in labels.values()) > 32:
        raise InvalidRequest(ErrorDetail(pointer="/labels", code="too_long", message="a run has at most 32 labels"))


@router.delete("/{run_id}", operation_id="delete_run", responses=problems(404, 409, 503))
def delete_run(run_id: RunId, parts: ServicesDep) -> Deleted:
    """Removes a run that is over, with its log and files; one that others build on stays until they are gone."""
    try:
        parts.store.delete(run_id)  # first: from now on no run can be made that builds on these files
    except RunNotFound:
        if freed := parts.artifacts.delete_run(run_id):
            return Deleted(id=run_id, bytes_freed=freed)  # what a crash between the two left
        raise
    return Deleted(id=run_id, bytes_freed=parts.artifacts.delete_run(run_id))
