"""Adds seeds, variants or values of axes to experiments, and previews what that would train."""

from starlette.concurrency import run_in_threadpool

from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.extension import extend_document, point_into_extension
from bakehouse.experiments.filling import fill, find_reusable
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.planning import Place, described, places
from bakehouse.experiments.requests import reopened
from bakehouse.model import Model
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.runs.record import Idempotency
from bakehouse.runs.run import Run
from bakehouse.runs.wire import Texts
from service.dependencies import Services
from service.estimates import TotalSeconds, total_seconds
from service.experiments import Planned, plan, wake_workers


class ExtensionPreview(Model):
    """A preview of what an extension adds to an experiment. Nothing is stored."""

    arms: tuple[str, ...]
    """The names of the arms that are new."""
    seeds: tuple[int, ...]
    """The seeds that are new."""
    runs: int
    """Number of runs that are new."""
    reused: int
    """Number of these that were finished before, so that they are not trained again."""
    seconds: TotalSeconds | None = None
    """The time that the other runs are expected to take together; null if it cannot be predicted."""
    seconds_reason: str | None = None
    """The reason why `seconds` is null, as human-readable text."""


async def plan_extension(services: Services, record: ExperimentRecord, posted: object) -> Planned:
    """Plans all recipes of an experiment with what was posted to extend it. Raises RecipeInvalid with pointers into
    that."""
    longer = extend_document(record.document, posted)
    try:
        return await plan(services, longer, {arm.name for arm in record.arms})
    except RecipeInvalid as error:
        # Only an object with fields has become a longer document.
        assert isinstance(posted, dict)
        raise point_into_extension(record.document, posted, error) from error


async def preview_extension(services: Services, experiment_id: str, posted: object) -> ExtensionPreview:
    """Returns what an extension would train, without storing anything."""
    record = await run_in_threadpool(services.experiments.record, experiment_id)
    planned = await plan_extension(services, record, posted)
    added = await run_in_threadpool(added_places, services, record, planned)
    first = [place for place in added if not place.arm.builds_on]
    found = await run_in_threadpool(find_reusable, services.experiments, planned.document, first)
    reused = {place.key for place, run in zip(first, found, strict=True) if run is not None}
    capacity = await services.async_store.capacity()
    work = [place.template.work for place in added if place.key not in reused]
    seconds = await run_in_threadpool(total_seconds, work, capacity, record.max_running)
    known = {arm.name for arm in record.arms}
    return ExtensionPreview(
        arms=tuple(arm.name for arm in planned.arms if arm.name not in known),
        seeds=tuple(seed for seed in planned.document.seeds if seed not in record.seeds),
        runs=len(added),
        reused=len(reused),
        seconds=seconds,
        seconds_reason=capacity.reason() if seconds is None else None,
    )


def added_places(services: Services, record: ExperimentRecord, planned: Planned) -> list[Place]:
    """Returns the places that an experiment does not have yet, neither with a run nor with one that is to come."""
    runs = services.experiments.runs(record)
    known = {(run.arm, run.seed, run.fold) for run in runs}
    known |= {(each.arm, each.seed, each.fold) for each in missing_runs(record, runs)}
    return [place for place in places(planned.arms, planned.document.seeds) if place.key not in known]


async def extend(
    services: Services, experiment_id: str, posted: object, idempotency: Idempotency | None
) -> ExperimentRecord:
    """Adds seeds, variants or values of axes to an experiment, and queues the runs that this adds."""
    record = await run_in_threadpool(services.experiments.record, experiment_id)
    if idempotency is not None:
        first = await run_in_threadpool(services.experiments.first_answer, idempotency)
        if first is not None:
            return record
    planned = await plan_extension(services, record, posted)

    def change(before: ExperimentRecord) -> tuple[ExperimentRecord, list[tuple[Run, Texts]]]:
        if before.document != record.document:
            # Somebody else has extended it since it was planned.
            raise RecipeInvalid([CHANGED])
        return extended(services, before, planned)

    after = await run_in_threadpool(services.experiments.change, experiment_id, change, idempotency)
    wake_workers(services, 1)
    return after


CHANGED = Problem(pointer="", code="conflict", message="the experiment was extended meanwhile; read it and try again")


def extended(
    services: Services, before: ExperimentRecord, planned: Planned
) -> tuple[ExperimentRecord, list[tuple[Run, Texts]]]:
    """Returns the record with what a longer document adds to it, and the runs that are new."""
    document = planned.document
    # Otherwise the new runs would be cancelled too.
    open_record = reopened(before, services.experiments, services.artifacts)
    record = open_record.model_copy(
        update={
            "document": document,
            "seeds": tuple(document.seeds),
            "arms": described(planned.arms, planned.base.recipe),
            "is_complete": planned.first_arms == planned.arms,
            # What a stop or a supervisor has given up is tried again.
            "refused": (),
        }
    )
    there = {(run.arm, run.seed, run.fold) for run in services.experiments.runs(before)}
    missing = [place for place in places(planned.first_arms, document.seeds) if place.key not in there]
    return fill(services.experiments, record, missing)
