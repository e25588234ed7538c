"""Makes experiments from posted documents, and acts on all their runs."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool

from bakehouse.experiments.deletion import delete_runs
from bakehouse.experiments.dependents import Foresight, Key
from bakehouse.experiments.designs import invalid
from bakehouse.experiments.document import ExperimentDocument, Search
from bakehouse.experiments.errors import IllegalAction
from bakehouse.experiments.experiment import ExperimentArm, ExperimentRecord
from bakehouse.experiments.filling import fill, find_reusable
from bakehouse.experiments.measured import is_loss
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.planned_arms import MakeTemplate, PlannedArm, independent_recipe, plan_arms, plan_searched
from bakehouse.experiments.planned_runs import NOT_PLANNED
from bakehouse.experiments.planning import Place, described, metric_of, places, refuse_arms_without_metric
from bakehouse.experiments.question import Question, count_runs, folds_of, in_first_fold, read_experiment
from bakehouse.experiments.requests import FINAL, carry_out, refuse_weaker
from bakehouse.experiments.space import check_losses, check_space
from bakehouse.experiments.store import ExperimentStore, new_experiment_id
from bakehouse.experiments.supervisors import CANNOT_SEARCH
from bakehouse.model import JsonObject, Model
from bakehouse.plan.heads import monitors
from bakehouse.prepare import Prepared, new_template
from bakehouse.runs.durations import Capacity
from bakehouse.runs.errors import ExperimentChanged, SourceRunDeleted
from bakehouse.runs.measurements import Work
from bakehouse.runs.record import CreatedExperiment, Idempotency
from bakehouse.runs.run import Run
from bakehouse.runs.status import TERMINAL, Request
from service.dependencies import Services
from service.estimates import TotalSeconds, search_seconds, total_seconds
from service.submit import wake_worker


class ExperimentPreview(Model):
    """A preview of an experiment. Nothing is stored."""

    metric: str
    """The metric of the best epoch that is compared."""
    baseline: str | None
    """The arm that the others are compared with; null in a search."""
    arms: tuple[ExperimentArm, ...]
    seeds: tuple[int, ...]
    folds: int | None
    runs: int
    """Number of runs that the answer needs."""
    reused: int
    """Number of these that were finished before, so that they are not trained again."""
    reused_reason: str | None = None
    """The reason why `reused` may be larger, as human-readable text; null if it is exact."""
    seconds: TotalSeconds | None = None
    """The time that the other runs are expected to take together; null if it cannot be predicted."""
    seconds_reason: str | None = None
    """The reason why `seconds` is null, as human-readable text."""


@dataclass(frozen=True)
class Planned:
    """An experiment whose recipes are planned."""

    question: Question
    base: Run
    """The planned run of the baseline; of a search, that of the recipe whose fields it changes."""
    work: Work
    """The amount of work of that run."""
    arms: tuple[PlannedArm, ...]
    metric: str

    @property
    def first_arms(self) -> tuple[PlannedArm, ...]:
        """The arms that build on no other, so that their runs can be created at once."""
        return tuple(arm for arm in self.arms if not arm.builds_on)

    @property
    def document(self) -> ExperimentDocument:
        """The document as it was read."""
        return self.question.document


async def plan(services: Services, posted: object, accepted: Container[str] = ()) -> Planned:
    """Reads an experiment and plans all its recipes; `accepted` are the arms that were accepted before. Raises
    RecipeInvalid with pointers into the posted document."""
    question = await run_in_threadpool(read_experiment, posted)
    prepare = await services.preparation.planner()
    if isinstance(question.document.design, Search):
        return await plan_search(services, question, question.document.design, prepare)
    make_template = await services.preparation.templates()
    # In one thread: to change threads for each of a thousand arms takes as long as to plan them.
    arms = await run_in_threadpool(plan_arms, question, folds_of(question.document), make_template)
    prepared = await run_in_threadpool(prepare, independent_recipe(question))
    metric = metric_of(question.document, question.recipe, prepared.plan)
    check = partial(refuse_arms_without_metric, plan_of=lambda recipe: prepare(recipe).plan, accepted=accepted)
    await run_in_threadpool(check, question, arms, metric)
    baseline = next(arm for arm in arms if arm.name == question.arms.baseline)
    return Planned(question, baseline.planned, baseline.work, arms, metric)


async def plan_search(
    services: Services, question: Question, design: Search, prepare: Callable[[JsonObject], Prepared]
) -> Planned:
    """Plans the recipe of a search, and checks its space. Raises RecipeInvalid with pointers into the posted
    document."""
    document = question.document
    prepared = await run_in_threadpool(plan_searched, question, prepare)
    if await run_in_threadpool(services.experiments.supervisors.cannot_search):
        raise invalid("/design/type", "search_unavailable", CANNOT_SEARCH)
    check = partial(check_space, prepare=lambda recipe: prepare(in_first_fold(recipe, document)))
    await run_in_threadpool(check, design, question.recipe)
    metric = metric_of(document, question.recipe, prepared.plan)
    if is_loss(metric):
        others = [name for name in monitors(prepared.plan.data.targets) if not is_loss(name)]
        await run_in_threadpool(check_losses, design, question.recipe, metric, others)
    template = new_template(prepared)
    return Planned(question, template.planned, template.work, (), metric)


async def preview(services: Services, posted: object) -> ExperimentPreview:
    """Returns what an experiment would train, without storing anything."""
    planned = await plan(services, posted)
    make_template = await services.preparation.templates()
    wanted = list(places(planned.arms, planned.document.seeds))
    foresight = await run_in_threadpool(foresee, services.experiments, planned, make_template, wanted, {})
    capacity = await services.async_store.capacity()
    seconds = await run_in_threadpool(expected_seconds, planned, foresight.reused, capacity)
    return ExperimentPreview(
        metric=planned.metric,
        baseline=planned.question.arms.baseline,
        arms=described(planned.arms, planned.base.recipe),
        seeds=tuple(planned.document.seeds),
        folds=planned.document.folds,
        runs=count_runs(planned.question),
        reused=len(foresight.reused),
        reused_reason=foresight.reason,
        seconds=seconds,
        seconds_reason=capacity.reason() if seconds is None else None,
    )


def expected_seconds(planned: Planned, reused: Container[Key], capacity: Capacity) -> TotalSeconds | None:
    """Predicts the time of the runs that are trained; `reused` are those that are not."""
    document = planned.document
    if isinstance(document.design, Search):
        return search_seconds(planned.work, count_runs(planned.question), capacity, document.max_running)
    wanted = places(planned.arms, document.seeds)
    new = [place.template.work for place in wanted if place.key not in reused]
    return total_seconds(new, capacity, document.max_running)


def foresee(
    experiments: ExperimentStore,
    planned: Planned,
    make_template: MakeTemplate,
    wanted: Sequence[Place],
    finished: Mapping[Key, str],
) -> Foresight:
    """Returns which of the wanted runs of an experiment will be used again; `finished` are those of its runs that have
    succeeded."""
    find = partial(find_reusable, experiments, planned.document)
    first = [place for place in wanted if not place.arm.builds_on]
    reused = {place.key: run for place, run in zip(first, find(first), strict=True) if run is not None}
    foresight = Foresight(planned.question, {**finished, **reused}, lambda recipe: make_template(recipe, NOT_PLANNED))
    foresight.look_at_dependents(find, {place.key for place in wanted})
    return foresight


async def submit(services: Services, posted: object, idempotency: Idempotency | None) -> CreatedExperiment:
    """Queues the runs of an experiment. For a repeated request, returns the experiment of the first one."""
    experiments = services.experiments
    if idempotency is not None:
        first = await run_in_threadpool(experiments.first_answer, idempotency)
        if first is not None:
            return first
    planned = await plan(services, posted)
    await services.folder_check.check()
    return await run_in_threadpool(create, services, planned, idempotency)


def create(services: Services, planned: Planned, idempotency: Idempotency | None) -> CreatedExperiment:
    """Stores a planned experiment and its runs."""
    document = planned.document
    base = planned.base.recipe
    record = ExperimentRecord(
        id=new_experiment_id(),
        name=document.name,
        document=with_pinned_dataset(document, base.dataset.id),
        seeds=tuple(document.seeds),
        metric=planned.metric,
        baseline=planned.question.arms.baseline,
        factors=planned.question.arms.factors,
        dataset=base.dataset.id,
        architecture=base.architecture.type,
        arms=described(planned.arms, planned.base.recipe),
        reused=(),
        is_complete=not isinstance(document.design, Search) and planned.first_arms == planned.arms,
        priority=document.priority,
        max_running=document.max_running,
    )
    wanted = list(places(planned.first_arms, document.seeds))
    filled, runs = fill(services.experiments, record, wanted)
    try:
        created = services.experiments.create(filled, runs, idempotency)
    except SourceRunDeleted as error:
        # A run that would have been used again was deleted meanwhile; without it, a new one is trained.
        if error.source not in {each.run for each in filled.reused}:
            raise
        filled, runs = fill(services.experiments, record, wanted)
        created = services.experiments.create(filled, runs, idempotency)
    if not created.replayed:
        wake_workers(services, len(runs))
    return created


def with_pinned_dataset(document: ExperimentDocument, dataset_id: str) -> ExperimentDocument:
    """Returns the document with the data set's name that always means the same version, so that runs that are added
    later have the same data."""
    posted = document.recipe["dataset"]
    dataset = {**posted, "id": dataset_id} if isinstance(posted, dict) else dataset_id
    return document.model_copy(update={"recipe": {**document.recipe, "dataset": dataset}})


def act_on_all(services: Services, experiment_id: str, request: Request) -> None:
    """Pauses, stops or cancels all runs of an experiment that are not over."""

    def change(before: ExperimentRecord) -> tuple[ExperimentRecord, tuple[()]]:
        refuse_weaker(before, request, services.experiments.brief(before).status)
        # A search that was stopped or cancelled creates no more runs.
        is_complete = before.is_complete or request in FINAL
        return before.model_copy(update={"request": request, "is_complete": is_complete}), ()

    # First the record: from then on, no run of the experiment is claimed, and supervisors know what is left to do.
    record = services.experiments.change(experiment_id, change)
    carry_out(record, request, services.experiments, services.artifacts)


def resume(services: Services, experiment_id: str) -> None:
    """Lets the runs of a paused experiment be claimed again."""

    def change(before: ExperimentRecord) -> tuple[ExperimentRecord, tuple[()]]:
        refuse_weaker(before, None, services.experiments.brief(before).status)
        return before.model_copy(update={"request": None}), ()

    # First the record, so that no supervisor pauses again what is resumed. If this ends half-way, it can be repeated.
    record = services.experiments.change(experiment_id, change)
    carry_out(record, None, services.experiments, services.artifacts)
    wake_workers(services, record.run_count)


def change(services: Services, experiment_id: str, fields: JsonObject) -> None:
    """Changes the name, the priority or the limit of an experiment."""

    def changed(before: ExperimentRecord) -> tuple[ExperimentRecord, tuple[()]]:
        return before.model_copy(update={**fields, "document": before.document.model_copy(update=fields)}), ()

    record = services.experiments.change(experiment_id, changed)
    if "priority" in fields:
        services.experiments.give_priority(record)
    wake_workers(services, record.run_count)


class ExperimentDeletion(Model):
    """What the deletion of an experiment deletes, or has deleted."""

    id: str
    runs: tuple[str, ...]
    """The runs that are deleted with it."""
    kept: tuple[str, ...]
    """The runs that stay: those that were finished before, and those that others need."""
    bytes_freed: int
    """Total size of the files of the deleted runs; 0 in a preview."""


def preview_deletion(services: Services, experiment_id: str) -> ExperimentDeletion:
    """Returns what a deletion would delete. Raises IllegalAction unless all runs are over."""
    record = services.experiments.record(experiment_id)
    refuse_active(services, record)
    own = services.experiments.run_ids(experiment_id)
    needed = services.experiments.needed(own)
    return ExperimentDeletion(
        id=experiment_id,
        runs=tuple(run_id for run_id in own if run_id not in needed),
        kept=(*needed, *(each.run for each in record.reused)),
        bytes_freed=0,
    )


def refuse_active(services: Services, record: ExperimentRecord) -> None:
    """Raises IllegalAction unless all runs of an experiment are over, and those that are missing are given up."""
    brief = services.experiments.brief(record)
    runs = services.experiments.runs(record) if record.has_dependents else ()
    missing = missing_runs(record, runs)
    if brief.counts.keys() - TERMINAL or any(each.state != "given_up" for each in missing):
        raise IllegalAction(record.id, status=brief.status, asked="deleted before it is cancelled")


def delete(services: Services, experiment_id: str) -> ExperimentDeletion:
    """Deletes an experiment and the runs that it has made, except those that others need."""
    record = delete_record(services, experiment_id)
    found = delete_runs(experiment_id, services.experiments, services.artifacts)
    kept = (*found.kept, *(each.run for each in record.reused))
    return ExperimentDeletion(id=experiment_id, runs=tuple(found.deleted), kept=kept, bytes_freed=found.bytes_freed)


def delete_record(services: Services, experiment_id: str) -> ExperimentRecord:
    """Deletes the record of an experiment, and returns it. It goes before the runs, so that no run can be added
    meanwhile. Raises IllegalAction unless all runs are over."""
    while True:
        record = services.experiments.record(experiment_id)
        refuse_active(services, record)
        # It may have been changed meanwhile, or a run may have been retried.
        with suppress(ExperimentChanged):
            services.experiments.delete(record)
            return record


def wake_workers(services: Services, runs: int) -> None:
    """Wakes as many workers as there are new runs, at most those that are there."""
    for _ in range(min(runs, max(1, len(services.store.workers())))):
        wake_worker(services)


async def ablate(
    services: Services, run_id: str, fields: JsonObject, idempotency: Idempotency | None
) -> CreatedExperiment:
    """Queues an experiment that switches off each ingredient of a run's recipe; `fields` are others of its document."""
    run = (await services.async_store.get(run_id)).run()
    recipe = {name: value for name, value in run.recipe.canonical().items() if name not in ("seed", "name", "labels")}
    # A run of one fold becomes a cross-validation.
    folds = recipe["dataset"].pop("folds", None)
    recipe["dataset"].pop("fold", None)
    fields = {"folds": folds, **fields}
    named = {"name": f"what helps in {run.name or run.id}"[:200], "seeds": 5, **fields, "recipe": recipe}
    design = {"type": "ablation", "ingredients": named.pop("ingredients", None)}
    return await submit(services, {**named, "design": design}, idempotency)
