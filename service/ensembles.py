"""Measures the runs of an arm as one model, and keeps what was measured with the experiment."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.experiments.ensemble import Ensemble, EnsembleRequest
from bakehouse.experiments.errors import EnsembleNotFound, NoEnsemble
from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.members import choose_members, describe_ensemble, name_ensemble
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.problems import Problem
from bakehouse.runs.record import Record, rfc3339
from bakehouse.runs.run import Checkpoint
from bakehouse.tasks.ensembles import KIND, EnsembleMetrics, EnsembleTask
from service.dependencies import Services
from service.documents import parse_document
from service.errors import InvalidRequest
from service.tasks import IsGone


@dataclass(frozen=True)
class Member:
    """A finished run, and its best weights."""

    run: Record
    checkpoint: Checkpoint

    @property
    def named(self) -> SavedCheckpoint:
        return SavedCheckpoint(run=self.run.id, epoch=self.checkpoint.epoch, sha256=self.checkpoint.sha256)


@dataclass(frozen=True)
class Question:
    """A request to measure the finished runs of an arm as one model, with what is needed to carry it out."""

    request: EnsembleRequest
    members: Sequence[Member]
    plan: Plan
    kept: Ensemble | None
    """What was measured before with the same members."""


async def make_ensemble(
    services: Services, experiment_id: str, posted: object, *, is_gone: IsGone
) -> tuple[Ensemble, bool]:
    """Returns the ensemble that a document asks for, and whether it was measured now. Raises InvalidRequest,
    ExperimentNotFound and NoEnsemble, and the errors of tasks."""
    question = await run_in_threadpool(read_question, services, experiment_id, posted)
    if question.kept is not None:
        return question.kept, False
    task = EnsembleTask(
        recipe=question.plan.recipe.canonical(),
        fingerprint=question.plan.card.fingerprint,
        mean=question.request.mean,
        members=[member.named for member in question.members],
    )
    result = await services.tasks.run(KIND, task.model_dump(mode="json"), is_gone=is_gone)
    measured = EnsembleMetrics.model_validate_json(result)
    return await run_in_threadpool(keep, services, experiment_id, question, measured), True


def read_question(services: Services, experiment_id: str, posted: object) -> Question:
    request = parse_document(EnsembleRequest, posted)
    record = services.experiments.record(experiment_id)
    arms = tuple(arm.name for arm in record.arms)
    if request.arm not in arms:
        message = f"the experiment has no arm {request.arm!r}"
        raise InvalidRequest(Problem(pointer="/arm", code="unknown_arm", message=message, allowed=arms))
    runs = choose_members(request.arm, services.experiments.runs(record))
    ids = tuple(run.run for run in runs)
    members = [find_member(services, run_id) for run_id in ids]
    plan = plan_of(services, members[0].run)
    if request.mean == "geometric" and not any(target.classes for target in plan.targets):
        message = "values have no probabilities, whose geometric mean could be taken"
        raise InvalidRequest(Problem(pointer="/mean", code="mean", message=message, allowed=("arithmetic",)))
    kept = find_kept(record, request)
    return Question(request, members, plan, kept if kept is not None and kept.runs == ids else None)


def find_member(services: Services, run_id: str) -> Member:
    """Returns a run with its best weights. Raises NoEnsemble if these were deleted."""
    run = services.store.record(run_id)
    best = next((each for each in run.checkpoints if "best" in each.roles), None)
    if best is None:
        raise NoEnsemble(f"The best weights of {run_id} were deleted. Retry the run to train the same weights again.")
    return Member(run, best)


def plan_of(services: Services, run: Record) -> Plan:
    """Returns the plan of a member. Raises NoEnsemble if its data set is no longer the same."""
    name = run.recipe.dataset.id
    try:
        card: DatasetCard = services.catalog.card(name)
    except (DatasetNotFound, DatasetAbsent, DatasetBroken) as error:
        raise NoEnsemble(f"The members cannot be measured: {error.message}.") from error
    if run.trained_on not in (None, card.fingerprint):
        message = (
            f"The data set {name} has changed since the runs were trained; put its old files back, or, if its files "
        )
        raise NoEnsemble(message + "are the same, this version of Bakehouse reads them in another way: train again.")
    return make_plan(run.recipe, card)


def find_kept(record: ExperimentRecord, request: EnsembleRequest) -> Ensemble | None:
    return next((each for each in record.ensembles if (each.arm, each.mean) == (request.arm, request.mean)), None)


def keep(services: Services, experiment_id: str, question: Question, measured: EnsembleMetrics) -> Ensemble:
    """Stores what was measured with the experiment, instead of what was measured with other members before."""
    request = question.request
    own = [member.run.best.metrics if member.run.best else {} for member in question.members]
    now = rfc3339(services.store.now())

    def change(before: ExperimentRecord) -> tuple[ExperimentRecord, tuple[()]]:
        previous = find_kept(before, request)
        others = tuple(each for each in before.ensembles if each != previous)
        made = describe_ensemble(
            request,
            name=previous.name if previous else name_ensemble(request.arm, request.mean, [e.name for e in others]),
            runs=[member.run.id for member in question.members],
            metric=before.metric,
            measured=measured,
            own=own,
            now=now,
        )
        return before.model_copy(update={"ensembles": (*others, made)}), ()

    after = services.experiments.change(experiment_id, change)
    return after.ensembles[-1]


def find_ensemble(record: ExperimentRecord, name: str) -> Ensemble:
    """Returns an ensemble of an experiment. Raises EnsembleNotFound."""
    found = next((each for each in record.ensembles if each.name == name), None)
    if found is None:
        raise EnsembleNotFound(record.id, name[:100])
    return found
