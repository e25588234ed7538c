"""/v1/experiments: ask a question about recipes, read the answer, add to it, and act on all its runs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from bakehouse.experiments.answer import Results
from bakehouse.experiments.document import Ingredients, Metric, Name, Seeds
from bakehouse.experiments.experiment import Experiment, ExperimentPage
from bakehouse.experiments.report import write_report
from bakehouse.experiments.report_formats import as_html, as_markdown
from bakehouse.experiments.statistics import t_quantile
from bakehouse.experiments.stored_answers import read_report_facts, read_results
from bakehouse.experiments.what_if import ExperimentWhatIf
from bakehouse.model import Model
from bakehouse.runs.record import CreatedExperiment
from bakehouse.runs.run import Priority
from bakehouse.runs.status import Request as RunRequest
from service.dependencies import (
    ExperimentBody,
    ExperimentId,
    IdempotencyKey,
    JsonBody,
    RunId,
    Services,
    ServicesDep,
    read_json_body,
    refuse_unknown_parameters,
)
from service.documents import parse_document
from service.experiment_curves import read_curves
from service.experiment_extension import ExtensionPreview, extend, preview_extension
from service.experiment_what_if import ask_what_if
from service.experiments import (
    ExperimentDeletion,
    ablate,
    act_on_all,
    change,
    delete,
    preview,
    preview_deletion,
    resume,
    submit,
)  # fmt: skip
from service.openapi import json_body, optional_json_body, problems, returns
from service.routes.runs import json_response

MARKDOWN = "text/markdown"
TEXT = {"schema": {"type": "string"}}
# The file has its own styles and no script; it must not run anything if a name in it is not what it seems.
REPORT_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
router = APIRouter(prefix="/v1", tags=["experiments"], dependencies=[Depends(refuse_unknown_parameters)])


class ExperimentPatch(Model):
    """The fields of an experiment that a client can change; a field that is left out stays as it is."""

    name: Name | None = None
    """The new name; null removes the name."""
    priority: Priority = 0
    """The new priority of all runs that wait."""
    max_running: Annotated[int, Field(ge=1)] | None = None
    """The new limit on runs that are trained at the same time; null removes the limit."""


class AblationRequest(Model):
    """The fields of an experiment that ablates the recipe of a run."""

    name: Name | None = None
    seeds: Seeds = [0, 1, 2, 3, 4]
    """The seeds with which each arm is trained, or their number."""
    ingredients: Ingredients | None = None
    """The ingredients to switch off; by default all that are on."""
    metric: Metric | None = None
    priority: Priority = 0
    max_running: Annotated[int, Field(ge=1)] | None = None


@router.post("/experiments", status_code=201, operation_id="create_experiment",
             openapi_extra=json_body("ExperimentDocument"),
             responses=returns("ExperimentPreview", description="The preview, if `validate_only` is set.")
             | returns("Experiment", 400, 409, 413, 415, 422, 503, status=201))  # fmt: skip
async def create_experiment(
    document: ExperimentBody,
    services: ServicesDep,
    idempotency: IdempotencyKey,
    validate_only: Annotated[bool, Query(description="Check the experiment and return a preview of it.")] = False,
) -> Response:
    """Queues all runs of an experiment, or none if one of its recipes cannot be trained. Runs that were finished before
    and would have the same result to the bit are used and not trained again, unless `reuse` is false."""
    if validate_only:
        return json_response((await preview(services, document)).model_dump_json())
    created = await submit(services, document, idempotency)
    experiment = await run_in_threadpool(services.experiments.get, created.id)
    return respond_with_experiment(experiment, created)


def respond_with_experiment(
    experiment: Experiment, created: CreatedExperiment, folder: str = "experiments"
) -> Response:
    headers = {"Location": f"{folder}/{experiment.id}"}
    if created.replayed:
        headers["Idempotency-Replayed"] = "true"
    response = json_response(experiment.model_dump_json(), status=201, headers=headers)
    # Imports SciPy, for which the first results would wait otherwise.
    response.background = BackgroundTask(t_quantile, 1)
    return response


@router.post("/runs/{run_id}/ablate", status_code=201, operation_id="ablate_run",
             openapi_extra=optional_json_body("AblationRequest"),
             responses=returns("Experiment", 400, 404, 409, 413, 415, 422, 503, status=201))  # fmt: skip
async def ablate_run(run_id: RunId, request: Request, services: ServicesDep, idempotency: IdempotencyKey) -> Response:
    """Queues an experiment that switches off each ingredient of the run's recipe alone, and all of them. The body may
    have other fields of the experiment, such as `seeds`, which is 5 otherwise."""
    document = await read_json_body(request) if await request.body() else {}
    fields = parse_document(AblationRequest, document).model_dump(exclude_unset=True)
    created = await ablate(services, run_id, fields, idempotency)
    experiment = await run_in_threadpool(services.experiments.get, created.id)
    return respond_with_experiment(experiment, created, folder="../../experiments")


@router.get("/experiments", operation_id="list_experiments", responses=problems(404, 422, 503))
def list_experiments(
    services: ServicesDep,
    after: Annotated[str | None, Query(max_length=64, description="Only older than the one with this id.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ExperimentPage:
    """Lists experiments, newest first. For the next page, pass the last id of this one as `after`."""
    return services.experiments.page(after=after, limit=limit)


@router.get("/experiments/{experiment_id}", operation_id="get_experiment", responses=problems(404, 503))
def get_experiment(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Returns the experiment with its arms and its runs."""
    return services.experiments.get(experiment_id)


@router.get("/experiments/{experiment_id}/results", operation_id="get_experiment_results", responses=problems(404, 503))
def get_experiment_results(experiment_id: ExperimentId, services: ServicesDep) -> Results:
    """Returns the answer, as far as the runs have ended: the value of each run, each arm's mean with its interval, and
    the difference from the baseline, paired by seed, with a verdict in words. The metric is that of the best epoch on
    the validation split; test values are listed and choose nothing."""
    return read_results(services.experiments, experiment_id)


@router.get("/experiments/{experiment_id}/report", operation_id="get_experiment_report", response_class=Response,
            responses={200: {"content": {MARKDOWN: TEXT, "text/html": TEXT}, "description": "The report."},
                       **problems(404, 422, 503)})  # fmt: skip
def get_experiment_report(
    experiment_id: ExperimentId,
    services: ServicesDep,
    format: Annotated[  # noqa: A002 - the parameter's name
        Literal["markdown", "html"], Query(description="`html` is one file with the pictures in it.")
    ] = "markdown",
) -> Response:
    """Returns what one sends to a colleague: the question, the answer with its pictures and tables, the curves, what is
    unsure, what produced it, and the document that makes it again. Markdown has no pictures."""
    facts = read_report_facts(services.experiments, experiment_id)
    results = read_results(services.experiments, experiment_id)
    if format == "markdown":
        return Response(as_markdown(write_report(facts, results)), media_type=MARKDOWN)
    blocks = write_report(facts, results, read_curves(services, results))
    return Response(as_html(blocks), media_type="text/html", headers=REPORT_HEADERS)


@router.post("/experiments/{experiment_id}/what-if", operation_id="ask_experiment_what_if",
             openapi_extra=json_body("WhatIfQuestion"),
             responses=problems(400, 404, 409, 410, 413, 415, 422, 503))  # fmt: skip
def ask_experiment_what_if(experiment_id: ExperimentId, document: JsonBody, services: ServicesDep) -> ExperimentWhatIf:
    """Says for each setting of early stopping where it would have ended the runs, and what that saves and loses, with
    the mean and interval over all runs and over those of each arm. Nothing is trained."""
    return ask_what_if(services, experiment_id, document)


@router.post("/experiments/{experiment_id}/extend", operation_id="extend_experiment",
             openapi_extra=json_body("Extension"),
             responses=problems(400, 404, 409, 413, 415, 422, 503))  # fmt: skip
async def extend_experiment(
    experiment_id: ExperimentId,
    document: ExperimentBody,
    services: ServicesDep,
    idempotency: IdempotencyKey,
    validate_only: Annotated[bool, Query(description="Check the extension and return what it would add.")] = False,
) -> Experiment | ExtensionPreview:
    """Adds seeds, variants or values of axes, and queues only the runs that this adds."""
    if validate_only:
        return await preview_extension(services, experiment_id, document)
    await extend(services, experiment_id, document, idempotency)
    return await run_in_threadpool(services.experiments.get, experiment_id)


def respond_after(services: Services, experiment_id: str, request: RunRequest) -> Experiment:
    act_on_all(services, experiment_id, request)
    return services.experiments.get(experiment_id)


@router.post("/experiments/{experiment_id}/cancel", status_code=202, operation_id="cancel_experiment",
             responses=problems(404, 409, 503))  # fmt: skip
def cancel_experiment(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Cancels all runs that are not over."""
    return respond_after(services, experiment_id, "cancel")


@router.post("/experiments/{experiment_id}/stop", status_code=202, operation_id="stop_experiment",
             responses=problems(404, 409, 503))  # fmt: skip
def stop_experiment(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Ends the runs in training, which keep their best checkpoints, and cancels those that wait."""
    return respond_after(services, experiment_id, "stop")


@router.post("/experiments/{experiment_id}/pause", status_code=202, operation_id="pause_experiment",
             responses=problems(404, 409, 503))  # fmt: skip
def pause_experiment(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Pauses the runs in training; those that wait are not claimed until the experiment is resumed."""
    return respond_after(services, experiment_id, "pause")


@router.post("/experiments/{experiment_id}/resume", status_code=202, operation_id="resume_experiment",
             responses=problems(404, 409, 503))  # fmt: skip
def resume_experiment(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Resumes all runs that are paused, each at its step."""
    resume(services, experiment_id)
    return services.experiments.get(experiment_id)


@router.patch("/experiments/{experiment_id}", operation_id="change_experiment",
             openapi_extra=json_body("ExperimentPatch"),
              responses=problems(400, 404, 413, 415, 422, 503))  # fmt: skip
def change_experiment(experiment_id: ExperimentId, document: JsonBody, services: ServicesDep) -> Experiment:
    """Changes the name of an experiment, the priority of its runs that wait, or the limit on those in training."""
    fields = parse_document(ExperimentPatch, document).model_dump(exclude_unset=True)
    change(services, experiment_id, fields)
    return services.experiments.get(experiment_id)


@router.delete("/experiments/{experiment_id}", operation_id="delete_experiment", responses=problems(404, 409, 503))
def delete_experiment(
    experiment_id: ExperimentId,
    services: ServicesDep,
    validate_only: Annotated[bool, Query(description="Return what would be deleted, and delete nothing.")] = False,
) -> ExperimentDeletion:
    """Deletes an experiment whose runs are all over, with the runs that it has made; runs that were finished before and
    those that others need stay."""
    return (preview_deletion if validate_only else delete)(services, experiment_id)
