"""Adds seeds, variants or values of axes to experiments, and previews what that would train."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from bakehouse.experiments.experiment import ExperimentRecord, ExperimentRun
from bakehouse.experiments.extension import extend_document, point_into_extension
from bakehouse.experiments.filling import fill
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.planning import Place, described, places
from bakehouse.experiments.requests import reopened, without_final
from bakehouse.model import Model
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.runs.record import Idempotency
from bakehouse.runs.run import Run
from bakehouse.runs.wire import Texts
from service.dependencies import Services
from service.estimates import TotalSeconds, total_seconds
from service.experiments import Planned, foresee, plan, wake_workers


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
    reused_reason: str | None = None
    """The reason why `reused` may be larger, as human-readable text; null if it is exact."""
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
    runs = await run_in_threadpool(services.experiments.runs, record)
    added = await run_in_threadpool(added_places, record, runs, planned)
    make_template = await services.preparation.templates()
    finished = {(run.arm, run.seed, run.fold): run.run for run in runs if run.status == "succeeded"}
    foresight = await run_in_threadpool(foresee, services.experiments, planned, make_template, added, finished)
    capacity = await services.async_store.capacity()
    new = [place.template.work for place in added if place.key not in foresight.reused]
    seconds = await run_in_threadpool(total_seconds, new, capacity, record.max_running)
    known = {arm.name for arm in record.arms}
    return ExtensionPreview(
        arms=tuple(arm.name for arm in planned.arms if arm.name not in known),
        seeds=tuple(seed for seed in planned.document.seeds if seed not in record.seeds),
        runs=len(added),
        reused=len(added) - len(new),
        reused_reason=foresight.reason,
        seconds=seconds,
        seconds_reason=capacity.reason() if seconds is None else None,
    )


def added_places(record: ExperimentRecord, runs: Sequence[ExperimentRun], planned: Planned) -> list[Place]:
    """Returns the places that get a run only by an extension; `runs` are those that the experiment has."""
    wanted = list(places(planned.arms, planned.document.seeds))
    known = {(run.arm, run.seed, run.fold) for run in runs}
    coming = {(each.arm, each.seed, each.fold) for each in missing_runs(record, runs) if each.state != "given_up"}
    created = [
        ExperimentRun(run="", arm=place.arm.name, seed=place.seed, fold=place.fold, status="queued", reused=False)
        for place in wanted
        if not place.arm.builds_on and place.key not in known
    ]
    # What builds on a run that has failed is not created by an extension either.
    after = missing_runs(lengthened(without_final(record), planned), [*runs, *created])
    given_up = {(each.arm, each.seed, each.fold) for each in after if each.state == "given_up"}
    return [place for place in wanted if place.key not in known | coming | given_up]


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
    # Otherwise the new runs would be cancelled too.
    record = lengthened(reopened(before, services.experiments, services.artifacts), planned)
    there = {(run.arm, run.seed, run.fold) for run in services.experiments.runs(before)}
    wanted = places(planned.first_arms, planned.document.seeds)
    return fill(services.experiments, record, [place for place in wanted if place.key not in there])


def lengthened(record: ExperimentRecord, planned: Planned) -> ExperimentRecord:
    """Returns a record with the arms and seeds of a longer document."""
    return record.model_copy(
        update={
            "document": planned.document,
            "seeds": tuple(planned.document.seeds),
            "arms": described(planned.arms, planned.base.recipe),
            "is_complete": planned.first_arms == planned.arms,
            # What a stop or a supervisor has given up is tried again.
            "refused": (),
        }
    )
