"""From a posted recipe to a queued run, or to what it would be."""

import logging
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from bakehouse.advice.advice import Advice
from bakehouse.model import Model
from bakehouse.plan.estimate import parameters
from bakehouse.plan.layers import walk
from bakehouse.plan.plan import Plan
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.errors import IllegalTransition, RunNotFound
from bakehouse.runs.marker import name_folder
from bakehouse.runs.record import Created, Idempotency, Record, new_run
from bakehouse.runs.run import Reason, Run
from bakehouse.runs.store import Store
from service.dependencies import Services

# A data set that is new is packed meanwhile.
PACKING_SECONDS = 2.0

log = logging.getLogger(__name__)


class LayerRow(Model):
    """One layer of the model, in the order in which data meet it."""

    name: str
    """In the state dict of the weights."""
    type: str
    input: tuple[int, ...]
    """Without the batch."""
    output: tuple[int, ...]
    parameters: int


class Costs(Model):
    """What training takes, from the shapes alone."""

    parameters: int
    """Learned numbers."""
    flops_per_sample: int
    """Of a forward pass; training takes about three times this."""
    memory_bytes: int
    """Weights, gradients, optimizer, one batch's activations, and the data."""
    steps: int
    """If it does not stop early."""
    train: int
    """Rows of the training split."""
    validation: int
    test: int


class Preview(Model):
    """What a recipe would be, nothing stored."""

    recipe: Recipe
    """Canonical: every default spelt out."""
    recipe_sha256: str
    advice: tuple[Advice, ...]
    layers: tuple[LayerRow, ...]
    estimate: Costs


@dataclass(frozen=True)
class StoredRuns:
    """The runs of the record, as what recipes may build on."""

    store: Store
    where: str = "here"

    def find(self, run_id: str) -> Record | None:
        """The record of a run."""
        try:
            return self.store.record(run_id)
        except RunNotFound:
            return None


def prepared(parts: Services, document: Any) -> Prepared:
    """Planned within the limits of this service and of its largest worker."""
    memory = max((worker.memory_bytes for worker in parts.store.workers()), default=None)
    limits = Limits(parameters=parts.settings.max_parameters, memory_bytes=memory)
    saved = StoredRuns(parts.store)
    return prepare(document, parts.catalog, limits, saved=saved, wait_seconds=PACKING_SECONDS)


def preview(parts: Services, document: Any) -> Preview:
    """The canonical recipe, what is to be said about it, and what it costs."""
    baked = prepared(parts, document)
    recipe = baked.plan.recipe
    return Preview(
        recipe=recipe,
        recipe_sha256=recipe.sha256(),
        advice=baked.advice,
        layers=layer_table(baked.plan),
        estimate=costs(baked.plan),
    )


def layer_table(plan: Plan) -> tuple[LayerRow, ...]:
    """The plan, layer by layer."""
    return tuple(
        LayerRow(
            name=name,
            type=type(layer).__name__.lower(),
            input=layer.input,
            output=layer.output,
            parameters=parameters(layer),
        )
        for name, layer in walk(plan.root)
    )


def costs(plan: Plan) -> Costs:
    """The plan's estimate beside its steps and rows."""
    estimate, sizes = plan.estimate, plan.sizes
    return Costs(
        parameters=estimate.parameters,
        flops_per_sample=estimate.flops_per_sample,
        memory_bytes=estimate.memory_bytes,
        steps=plan.steps,
        train=sizes.train,
        validation=sizes.validation,
        test=sizes.test,
    )


def submit(
    parts: Services,
    document: Any,
    key: Idempotency | None,
    *,
    origin: str | None = None,
    reason: Reason = "submitted",
) -> Created:
    """A queued run and a ring for it; the same again for the same key, whatever would be said of the recipe today."""
    if key and (before := parts.store.first_answer(key)):
        return before
    baked = prepared(parts, document)
    recipe = baked.plan.recipe
    patience = recipe.early_stopping.patience if isinstance(recipe.early_stopping, Patience) else None
    # Also after Redis was emptied: no worker with another folder takes a run that is accepted here.
    name_folder(parts.settings, parts.store)
    run = new_run(recipe, advice=baked.advice, steps=baked.plan.steps, patience=patience, origin=origin, reason=reason)
    created = parts.store.create(run, idempotency=key)
    if not created.replayed:
        ring(parts)
    return created


def retry(parts: Services, run_id: str, key: Idempotency | None) -> Created:
    """The same recipe again, under the name and labels that the run has now."""
    if key and (before := parts.store.first_answer(key)):
        return before
    run = ended(parts, run_id, asked="retried")
    return submit(parts, as_it_is_named(run), key, origin=run_id, reason="retried")


def fork(parts: Services, run_id: str, patch: Any, key: Idempotency | None) -> Created:
    """The patched recipe with the weights of the run's best to begin with, in all layers, as far as the patch says
    nothing else."""
    if key and (before := parts.store.first_answer(key)):
        return before
    run = ended(parts, run_id, asked="forked")
    transfer = {"type": "transfer", "checkpoint": {"run": run_id}, "layers": "all"}
    document = merged({**as_it_is_named(run), "pretraining": transfer}, patch)
    return submit(parts, document, key, origin=run_id, reason="forked")


def merged(document: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396), but that an object of another `type` takes the place of the old one: fields of
    one variant mean nothing, or something else, in another."""
    if not isinstance(patch, dict):
        return patch
    old = document if isinstance(document, dict) and patch.get("type") in (None, document.get("type")) else {}
    new = {name: merged(old.get(name), value) for name, value in patch.items() if value is not None}
    return {**{name: value for name, value in old.items() if name not in patch}, **new}


def ended(parts: Services, run_id: str, *, asked: str) -> Run:
    """A run that is over."""
    run = parts.store.get(run_id)
    if not run.is_over:
        raise IllegalTransition(run_id, status=run.status, request=run.request, asked=asked)
    return run


def as_it_is_named(run: Run) -> dict[str, Any]:
    """The recipe, under the name and labels that the run has now."""
    return {**run.recipe.canonical(), "name": run.name, "labels": run.labels}


def wake(parts: Services, run: Run) -> Run:
    """The run; if it waits for a worker again, with a ring."""
    if run.status == "queued":
        ring(parts)
    return run


def ring(parts: Services) -> None:
    """The run is accepted already: a supervisor makes up for a ring that fails."""
    try:
        parts.wake_queue.ring()
    except RedisError as error:
        log.warning("the doorbell could not be rung: %s", type(error).__name__)
