"""Makes a queued run, or a preview of a run, from a posted recipe."""

import logging
import re
from contextlib import suppress
from functools import partial

from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from bakehouse.advice.advice import Advice
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.requests import opening_for_retry
from bakehouse.model import JsonObject, Model
from bakehouse.plan.layers import Activation, DropConnect, Dropout, Norm, Pool, Primitive, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.merge import merge_patch
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.commands import NoteVerified
from bakehouse.runs.errors import ExperimentChanged, IllegalTransition, RunNotFound, RunReplaced
from bakehouse.runs.record import Idempotency, verification_of
from bakehouse.runs.run import Cell, Failure, Run, Verification, Verified
from bakehouse.runs.shown import CreatedRun
from bakehouse.runs.status import Reason
from bakehouse.runs.writes import Write
from service.dependencies import Services
from service.estimates import TrainingEstimate, training_estimate

log = logging.getLogger(__name__)


class LayerRow(Model):
    """One layer of the model; layers are listed in the order of the forward pass."""

    name: str
    """The layer's name in the state dict of the weights."""
    type: str
    """The layer's kind, such as `linear` or `conv`."""
    variant: str | None
    """Of a norm or dropout, the `type` of the recipe's ingredient, such as `batch_norm`; of an activation or a pooling,
    its name."""
    input: tuple[int, ...]
    """Shape of the layer's input without the batch dimension."""
    output: tuple[int, ...]
    """Shape of the layer's output without the batch dimension."""
    parameters: int
    """Number of learned parameters."""


class Preview(Model):
    """A preview of a run: the recipe, the advice, the layers and the cost. Nothing is stored."""

    recipe: Recipe
    """The canonical recipe: every default is filled in."""
    recipe_sha256: str
    """Digest of the canonical recipe without its name and labels."""
    advice: tuple[Advice, ...]
    layers: tuple[LayerRow, ...]
    estimate: TrainingEstimate


async def preview(services: Services, document: object) -> Preview:
    """Returns the canonical recipe, the advice about it, and the cost of the training, without storing anything."""
    prepared = await services.preparation.prepare(document)
    capacity = await services.async_store.capacity()
    recipe = prepared.plan.recipe
    return Preview(
        recipe=recipe,
        recipe_sha256=recipe.sha256(),
        advice=prepared.advice,
        layers=layer_table(prepared.plan),
        estimate=training_estimate(prepared.plan, capacity),
    )


def layer_table(plan: Plan) -> tuple[LayerRow, ...]:
    return tuple(
        LayerRow(
            name=name,
            type=re.sub("(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower(),
            variant=variant_of(layer),
            input=layer.input,
            output=layer.output,
            parameters=layer.parameters,
        )
        for name, layer in walk(plan.root)
    )


def variant_of(layer: Primitive) -> str | None:
    match layer:
        case Norm(spec=spec) | Dropout(spec=spec) | DropConnect(spec=spec):
            return spec.type
        case Activation(name=name) | Pool(kind=name):
            return name
        case _:
            return None


async def submit(
    services: Services,
    document: object,
    idempotency: Idempotency | None,
    *,
    parent_run: str | None = None,
    reason: Reason = "submitted",
    verification: Verification | None = None,
    parent_failure: Failure | None = None,
    experiment: Cell | None = None,
    priority: int = 0,
    opening: Write | None = None,
) -> CreatedRun:
    """Queues a run and wakes a worker; `opening` changes its experiment with it. For a repeated request, returns the
    run of the first request, even if the recipe would be refused now."""
    if idempotency and (created := await services.async_store.first_answer(idempotency)):
        return created
    template, recipe = await services.preparation.template(document)
    # Checked again, in case Redis was emptied: otherwise a worker with another folder could take the run.
    await services.folder_check.check()
    run, known = template.new_run(
        recipe,
        parent_run=parent_run,
        parent_failure=parent_failure,
        reason=reason,
        verification=verification,
        experiment=experiment,
        priority=priority,
    )
    return await services.async_store.create(run, idempotency=idempotency, known=known, experiment=opening)


async def retry(services: Services, run_id: str, idempotency: Idempotency | None) -> CreatedRun:
    """Queues the recipe of a run again, with the run's present name, labels and priority. In its experiment the new run
    takes the place of the old one; raises RunReplaced if another one has taken it before. If the experiment was stopped
    or cancelled, those runs that build on others are created after all that have the same seed and fold."""
    if idempotency and (created := await services.async_store.first_answer(idempotency)):
        return created
    # Looked up after `first_answer`, so that a repeated request succeeds even if the run was deleted since.
    run = await get_finished_run(services, run_id, asked="retried")
    document = current_document(run)
    again = partial(
        submit,
        services,
        document,
        idempotency,
        parent_run=run_id,
        parent_failure=run.failure,
        reason="retried",
        priority=run.priority,
    )
    while run.experiment is not None:
        try:
            opening = await run_in_threadpool(open_experiment, services, run_id, run.experiment)
            return await again(experiment=run.experiment, opening=opening)
        except ExperimentNotFound:
            break
        except ExperimentChanged:
            continue  # or deleted, as the next reading tells
    # Without its experiment, which was deleted, the new run stands alone.
    return await again()


def open_experiment(services: Services, run_id: str, cell: Cell) -> Write | None:
    """Returns what the retry of a run changes in its experiment; None if nothing. Raises ExperimentNotFound, and
    RunReplaced before anything has changed."""
    record = services.experiments.record(cell.id)
    if rival := services.store.replaced_by(run_id):
        raise RunReplaced(run_id, rival)
    return opening_for_retry(record, cell, services.experiments, services.artifacts)


async def verify(services: Services, run_id: str, idempotency: Idempotency | None) -> CreatedRun:
    """Queues the recipe of a run again, to be killed and resumed half-way and then compared with the run."""
    if idempotency and (created := await services.async_store.first_answer(idempotency)):
        await run_in_threadpool(note_verification, services, run_id, created)
        return created
    record = await run_in_threadpool(services.store.record, run_id)
    verification = verification_of(record)
    # Without its labels, the repetition is not counted as a further seed of the same recipe.
    document = {**record.recipe.canonical(), "name": None, "labels": {}}
    created = await submit(
        services,
        document,
        idempotency,
        parent_run=run_id,
        reason="verification",
        verification=verification,
        priority=record.priority,
    )
    await run_in_threadpool(note_verification, services, run_id, created)
    return created


def note_verification(services: Services, run_id: str, created: CreatedRun) -> None:
    """Notes in the record of a run that another run verifies it."""
    # The run may have been deleted meanwhile; the other one compares what it knows.
    with suppress(RunNotFound):
        services.store.command(run_id, NoteVerified(Verified(run=created.run.id), actor="service"))


async def fork(services: Services, run_id: str, patch: object, idempotency: Idempotency | None) -> CreatedRun:
    """Queues the patched recipe of a run. The new run starts with the best weights of the old run in all layers, unless
    the patch changes that."""
    if idempotency and (created := await services.async_store.first_answer(idempotency)):
        return created
    run = await get_finished_run(services, run_id, asked="forked")
    transfer = {"type": "transfer", "checkpoint": {"run": run_id}, "layers": "all"}
    document = merge_patch({**current_document(run), "pretraining": transfer}, patch)
    return await submit(services, document, idempotency, parent_run=run_id, reason="forked", priority=run.priority)


async def get_finished_run(services: Services, run_id: str, *, asked: str) -> Run:
    """Returns a run that is over; raises IllegalTransition if it is not over."""
    run = (await services.async_store.get(run_id)).run()
    if not run.is_over:
        raise IllegalTransition(run_id, status=run.status, request=run.request, asked=asked)
    return run


def current_document(run: Run) -> JsonObject:
    """Returns the recipe with the run's present name and labels, which may have changed since submission."""
    return {**run.recipe.canonical(), "name": run.name, "labels": run.labels}


def wake_worker(services: Services) -> None:
    """Wakes a worker. Only logs a failure: the run is accepted already, and supervisors look for waiting runs."""
    try:
        services.wake_queue.wake()
    except RedisError as error:
        log.warning("could not wake a worker: %s", type(error).__name__)
