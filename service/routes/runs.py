"""/v1/runs: submit, read, pause, resume, stop, cancel, retry, fork, rename and delete runs."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import Field
from starlette.responses import PlainTextResponse

from bakehouse.model import JsonObject, Model
from bakehouse.recipe.problems import Problem
from bakehouse.recipe.recipe import MAX_NAME_CHARACTERS, LabelKey, LabelValue
from bakehouse.redaction import redact
from bakehouse.runs.attempt_logs import read_attempt_log
from bakehouse.runs.commands import ChangePriority, Command, Rename, RequestAction, Resume
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.run import Priority
from bakehouse.runs.shown import CreatedRun
from bakehouse.runs.status import Status
from service.dependencies import (
    IdempotencyKey,
    IfNoneMatch,
    JsonBody,
    Labels,
    Prefer,
    RunId,
    Services,
    ServicesDep,
    flag,
    idempotency_key,
    parse_labels,
    possible_run_id,
    priority_of,
    read_idempotency,
    read_json_body,
    refuse_unknown_parameters,
    services_of,
    with_priority,
)
from service.documents import parse_document
from service.errors import InvalidRequest, LogNotFound
from service.long_poll import etag_matches, parse_wait, run_etag, wait_for_change
from service.metrics import Metrics, collect_metrics, read_all_events, to_csv
from service.openapi import json_body, object_body, problems, returns, returns_one_of
from service.plain_routes import add_plain_route
from service.submit import fork, preview, retry, submit, verify, wake_worker

router = APIRouter(prefix="/v1/runs", tags=["runs"], dependencies=[Depends(refuse_unknown_parameters)])
NO_CACHE = "no-cache"
NPZ = "application/octet-stream"
# The same limit as for the labels of a recipe.
MAX_LABELS = 32
MAX_FULL_RUNS = 100


class RunPatch(Model):
    """The fields of a run that a client can change; a field that is left out stays as it is."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] | None = None
    """The new name; null removes the name."""
    labels: dict[LabelKey, LabelValue | None] = {}
    """Labels to add to the run or to change; null removes a label."""
    priority: Priority = 0
    """Runs of higher priority are claimed first. Can be changed while the run is queued or paused."""


class Deleted(Model):
    """The id of a run that was deleted, and the space that this freed."""

    id: str
    bytes_freed: int
    """Total size of the run's files, which were deleted too."""


def returns_split() -> dict[int | str, JsonObject]:
    """Returns the `responses` of the route of a run's split, which sends JSON or an `.npz` file."""
    responses = returns("RunSplit", 404, 409, 422, 503)
    responses[200]["content"][NPZ] = {"schema": {"type": "string", "format": "binary"}}
    return responses


def describe_create_run(
    idempotency: IdempotencyKey,
    validate_only: Annotated[bool, Query(description="Check the recipe and return a preview of the run.")] = False,
    priority: Annotated[Priority, Query(description="Waiting runs of higher priority are claimed first.")] = 0,
) -> None:
    """Describes the parameters of `create_run` in the OpenAPI document."""


async def create_run(request: Request) -> Response:
    """Queues a recipe as a run. With `validate_only`, stores nothing and returns a preview. Waiting runs are claimed by
    priority; among equal ones, experiments and the runs that were posted alone take turns."""
    await refuse_unknown_parameters(request)
    services = services_of(request)
    document = await read_json_body(request)
    priority = priority_of(request)
    idempotency = await read_idempotency(request, idempotency_key(request))
    if flag(request, "validate_only"):
        shown = await preview(services, document)
        return json_response(shown.model_dump_json())
    if idempotency:
        idempotency = with_priority(idempotency, priority)
    return respond_with_new_run(await submit(services, document, idempotency, priority=priority), folder="runs")


def respond_with_new_run(created: CreatedRun, *, folder: str, status: int = 201) -> Response:
    """Returns the response with a new run, or with the run that an earlier request created. The folder `/v1/runs` is
    relative to the request, so that the address is also right behind a proxy that adds a prefix to the path."""
    headers = {"Location": f"{folder}/{created.run.id}"}
    if created.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(created.run.json, status=status, headers=headers)


def json_response(content: str | bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(content, status, headers, media_type="application/json")


@router.get("", operation_id="list_runs", responses=returns_one_of(("Page", "BriefPage"), 422, 503))
async def list_runs(
    services: ServicesDep,
    run: Annotated[
        list[str], Query(max_length=100, description="Ids of runs: only these; an id that does not exist is left out.")
    ] = [],  # noqa: B006 - FastAPI copies the default
    label: Labels = [],  # noqa: B006
    status: Status | None = None,
    dataset: Annotated[str | None, Query(max_length=64, description="The data set's `id`.")] = None,
    architecture: Annotated[str | None, Query(max_length=64, description="The architecture's `type`.")] = None,
    recipe_sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    experiment: Annotated[
        str | None, Query(max_length=64, description="Only the runs that the experiment with this id has made.")
    ] = None,
    after: Annotated[str | None, Query(max_length=64, description="Only runs older than the run with this id.")] = None,
    before: Annotated[
        str | None, Query(max_length=64, description="Only runs newer than the run with this id.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most 100, or 500 with `view=brief`.")] = 20,
    view: Annotated[
        Literal["full", "brief"],
        Query(description="`brief` returns a `BriefPage`: of each run only what a table shows, in at most 600 bytes."),
    ] = "full",
) -> Response:
    """Lists runs that match all filters, newest first. For the next page, pass the last id of this one as `after`."""
    if after and before:
        message = "pass either after or before, not both"
        raise InvalidRequest(Problem(parameter="before", code="conflict", message=message))
    if run and (after or before):
        message = "a choice of runs by their ids has no pages; raise `limit` instead"
        raise InvalidRequest(Problem(parameter="run", code="conflict", message=message))
    if view == "full" and limit > MAX_FULL_RUNS:
        message = f"the full view lists at most {MAX_FULL_RUNS} runs at once; view=brief lists up to 500"
        raise InvalidRequest(Problem(parameter="limit", code="less_than_equal", message=message))
    page = await services.async_store.page(
        ids=list(dict.fromkeys(run)), status=status, labels=parse_labels(label), dataset=dataset,
        architecture=architecture, recipe_sha256=recipe_sha256, experiment=experiment,
        after=after, before=before, limit=limit,
    )  # fmt: skip
    return json_response(page.brief_json if view == "brief" else page.json)


def describe_get_run(run_id: RunId, if_none_match: IfNoneMatch = None, prefer: Prefer = None) -> None:
    """Describes the parameters of `get_run` in the OpenAPI document."""


async def get_run(request: Request) -> Response:
    """Returns the run. Its weak ETag covers everything but the progress, the position in the queue, and
    the running time."""
    await refuse_unknown_parameters(request)
    run_id = possible_run_id(request.path_params["run_id"])
    services = services_of(request)
    if_none_match = request.headers.get("if-none-match")
    headers = {"Cache-Control": NO_CACHE}
    if seconds := parse_wait(request.headers.get("prefer")):
        await services.hub.wait_until_ready()
        # With this header, RFC 7240, section 3, tells clients which preference was obeyed.
        headers["Preference-Applied"] = f"wait={seconds}"
        store = services.async_store
        run = await wait_for_change(services.hub, store, run_id, known_etags=if_none_match, seconds=seconds)
    else:
        run = await services.async_store.get(run_id)
    headers["ETag"] = run_etag(run)
    # A wait that has ended without a change also gives this response.
    if etag_matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return json_response(run.json, headers=headers)


def add_plain_routes(api: FastAPI) -> None:
    """Adds the routes that are called most often."""
    add_plain_route(
        api, "/v1/runs", endpoint=create_run, methods=["POST"], tags=["runs"], status_code=201,
        operation_id="create_run", openapi_extra=json_body("Recipe"), dependencies=[Depends(describe_create_run)],
        responses=returns("Preview", description="The preview, if `validate_only` is set.")
        | returns("Run", 400, 409, 413, 415, 422, 503, status=201),
    )  # fmt: skip
    add_plain_route(
        api, "/v1/runs/{run_id}", endpoint=get_run, methods=["GET"], tags=["runs"], operation_id="get_run",
        dependencies=[Depends(describe_get_run)],
        responses={304: {"description": "The run has not changed."}, **returns("Run", 404, 503)},
    )  # fmt: skip


@router.get("/{run_id}/recipe", operation_id="get_run_recipe", responses=returns("Recipe", 404, 503))
def get_run_recipe(run_id: RunId, services: ServicesDep) -> Response:
    """Returns the canonical recipe of the run. POST it to train the same model again."""
    return json_response(services.store.record(run_id).recipe.model_dump_json())


@router.get("/{run_id}/metrics", operation_id="get_run_metrics", response_model=Metrics,
            responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The columns."},
                       **problems(404, 422, 503)})  # fmt: skip
def get_run_metrics(
    run_id: RunId,
    services: ServicesDep,
    names: Annotated[list[str], Query(description="Names of metrics, separated by commas; by default all.")] = [],  # noqa: B006
    max_points: Annotated[
        int | None,
        Query(
            ge=1,
            le=1_000_000,
            description="Return about this number of rows by step. The first row, the last row, and each metric's "
            "extremes are always returned, even if these are more rows. Every epoch is always returned.",
        ),
    ] = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the parameter's name
) -> Metrics | Response:
    """Returns the metrics as columns, by epoch and by step."""
    wanted = [name for each in names for name in each.split(",") if name]
    metrics = collect_metrics(read_all_events(services.store, run_id), names=wanted, max_points=max_points)
    if format == "json":
        return metrics
    headers = {"Content-Disposition": f'attachment; filename="{run_id}-metrics.csv"'}
    return Response(to_csv(metrics), media_type="text/csv", headers=headers)


@router.get("/{run_id}/split", operation_id="get_run_split", responses=returns_split())
def get_run_split(
    run_id: RunId,
    services: ServicesDep,
    format: Annotated[  # noqa: A002 - the parameter's name
        Literal["json", "npz"],
        Query(
            description="`npz` returns the arrays `train`, `validation`, `test` and `fingerprint` for `numpy.load`. "
            "JSON lists at most a million rows."
        ),
    ] = "json",
) -> Response:
    """Returns which rows of the data set's files are the run's training, validation and test split. The rows follow
    from the data, the targets, and `split`, `split_seed` and `validation_fraction` (or `folds` and `fold`) of the
    recipe, so they are known before the run begins. A data set that has changed since the run was submitted is
    refused."""
    # NumPy takes 20 MB, and 0.1 s of the start, in a service that lists no rows.
    from service.split import split_as_json, split_as_npz  # noqa: PLC0415

    run = services.store.record(run_id)
    if format == "json":
        return json_response(split_as_json(run, services.catalog).model_dump_json())
    headers = {"Content-Disposition": f'attachment; filename="{run_id}-split.npz"'}
    return Response(split_as_npz(run, services.catalog), media_type=NPZ, headers=headers)


@router.get("/{run_id}/log", operation_id="get_run_log", response_class=PlainTextResponse,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The log."},
                       **problems(404, 422, 503)})  # fmt: skip
def get_run_log(
    run_id: RunId,
    services: ServicesDep,
    attempt: Annotated[
        int | None, Query(ge=1, le=1_000_000_000, description="The number of the attempt; by default the latest one.")
    ] = None,
) -> PlainTextResponse:
    """Returns what the training process of an attempt wrote, with the traceback of an unforeseen error. Of more than
    1 MiB, the middle is left out; absolute paths outside BAKEHOUSE_HOME are shortened to their last part."""
    # Raises RunNotFound.
    services.store.head(run_id)
    found = read_attempt_log(services.artifacts.attempts_folder(run_id), attempt)
    if found is None:
        raise LogNotFound(run_id, attempt)
    headers = {"Cache-Control": NO_CACHE, "Bakehouse-Attempt": str(found.attempt)}
    return PlainTextResponse(redact(found.text, services.settings.home), headers=headers)


@router.post("/{run_id}/cancel", status_code=202, operation_id="cancel_run",
             responses=returns("Run", 404, 409, 503, status=202))  # fmt: skip
def cancel_run(run_id: RunId, services: ServicesDep) -> Response:
    """Ends the run within one step. Its status becomes `cancelled`, and no further checkpoint is saved."""
    return send_command(services, run_id, RequestAction("cancel"))


@router.post("/{run_id}/stop", status_code=202, operation_id="stop_run",
             responses=returns("Run", 404, 409, 503, status=202))  # fmt: skip
def stop_run(run_id: RunId, services: ServicesDep) -> Response:
    """Ends the run now. In contrast to `cancel`, its status becomes `succeeded`, and it keeps its best checkpoint."""
    return send_command(services, run_id, RequestAction("stop"))


@router.post("/{run_id}/pause", status_code=202, operation_id="pause_run",
             responses=returns("Run", 404, 409, 503, status=202))  # fmt: skip
def pause_run(run_id: RunId, services: ServicesDep) -> Response:
    """Saves the state of the run and frees its worker; `resume` later continues at the same step."""
    return send_command(services, run_id, RequestAction("pause"))


@router.post("/{run_id}/resume", status_code=202, operation_id="resume_run",
             responses=returns("Run", 404, 409, 503, status=202))  # fmt: skip
def resume_run(run_id: RunId, services: ServicesDep) -> Response:
    """Queues a paused run again, or withdraws a pause that has not happened yet."""
    return send_command(services, run_id, Resume())


def send_command(services: Services, run_id: str, command: Command) -> Response:
    """Sends a command to a run and returns the run after it."""
    # A queued or paused run that is cancelled ends here, without a worker that would delete its files.
    services.artifacts.clean_up_after(services.store.command(run_id, command))
    run = services.store.show(run_id)
    # A command such as `resume` may have queued the run again.
    if run.is_queued:
        wake_worker(services)
    return json_response(run.json, status=202)


@router.post("/{run_id}/retry", status_code=201, operation_id="retry_run",
             responses=returns("Run", 400, 404, 409, 422, 503, status=201))  # fmt: skip
async def retry_run(run_id: RunId, services: ServicesDep, idempotency: IdempotencyKey) -> Response:
    """Queues a new run of the same recipe, with this run as its `parent_run`. This run must be over. In an experiment
    the new run takes the place of this one, which can be done once."""
    return respond_with_new_run(await retry(services, run_id, idempotency), folder="..")


@router.post("/{run_id}/verify", status_code=202, operation_id="verify_run",
             responses=returns("Run", 400, 404, 409, 422, 503, status=202))  # fmt: skip
async def verify_run(run_id: RunId, services: ServicesDep, idempotency: IdempotencyKey) -> Response:
    """Queues a new run that trains the recipe of this run again from the start, is killed and resumed half-way, and
    compares every weight and metric with this run, which must have succeeded. The response is the new run. Both runs
    get the verdict: the new one in `verification`, this one in `verified`."""
    return respond_with_new_run(await verify(services, run_id, idempotency), folder="..", status=202)


@router.post("/{run_id}/fork", status_code=201, operation_id="fork_run", openapi_extra=object_body(),
             responses=returns("Run", 400, 404, 409, 413, 415, 422, 503, status=201))  # fmt: skip
async def fork_run(run_id: RunId, document: JsonBody, services: ServicesDep, idempotency: IdempotencyKey) -> Response:
    """Queues a new run that starts with the best weights of this run in all layers, and has this run as its
    `parent_run`. This run must be over.

    The body is a JSON merge patch of the recipe, except that an object with another `type` replaces the old object.
    """
    return respond_with_new_run(await fork(services, run_id, document, idempotency), folder="..")


@router.patch("/{run_id}", operation_id="change_run", openapi_extra=json_body("RunPatch"),
              responses=returns("Run", 400, 404, 409, 413, 415, 422, 503))  # fmt: skip
def change_run(run_id: RunId, document: JsonBody, services: ServicesDep) -> Response:
    """Changes the name and labels of a run, and the priority of one that is queued or paused."""
    patch = parse_document(RunPatch, document)
    # The check and the write are not atomic: users at the same time may exceed the limit a little.
    refuse_too_many_labels({**services.store.record(run_id).labels, **patch.labels})
    # The priority comes first, because only this change may be refused.
    if "priority" in patch.model_fields_set:
        services.store.command(run_id, ChangePriority(patch.priority))
    if patch.model_fields_set != {"priority"}:
        keep_name = "name" not in patch.model_fields_set
        services.store.command(run_id, Rename(patch.name, patch.labels, keep_name=keep_name))
    return json_response(services.store.show(run_id).json)


def refuse_too_many_labels(labels: Mapping[str, str | None]) -> None:
    if sum(value is not None for value in labels.values()) > MAX_LABELS:
        message = f"a run has at most {MAX_LABELS} labels"
        raise InvalidRequest(Problem(pointer="/labels", code="too_long", message=message))


@router.delete("/{run_id}", operation_id="delete_run", responses=problems(404, 409, 503))
def delete_run(run_id: RunId, services: ServicesDep) -> Deleted:
    """Deletes a run that is over, with its log and files. Runs that build on its weights must be deleted first. A run
    of an experiment is deleted with the experiment."""
    try:
        services.experiments.refuse_if_needed(services.store.record(run_id))
        # The record goes first: without it, no new run can build on the files that are deleted next.
        services.store.delete(run_id)
    except RunNotFound:
        # A crash between the two deletions leaves files without a record.
        if bytes_freed := services.artifacts.delete_run(run_id):
            return Deleted(id=run_id, bytes_freed=bytes_freed)
        raise
    return Deleted(id=run_id, bytes_freed=services.artifacts.delete_run(run_id))
