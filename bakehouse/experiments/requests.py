"""Carries out what a user has asked for a whole experiment: the service at once, a supervisor if it was interrupted."""

from collections.abc import Iterator, Sequence

from bakehouse.experiments.answer import ExperimentStatus
from bakehouse.experiments.errors import IllegalAction
from bakehouse.experiments.experiment import ExperimentRecord, ExperimentRun, RefusedRun
from bakehouse.experiments.missing import TOO_LATE, missing_runs, refused
from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import RequestAction, Resume
from bakehouse.runs.record import rfc3339
from bakehouse.runs.run import Cell
from bakehouse.runs.status import Request, Status
from bakehouse.runs.writes import Write

ACTIVE: frozenset[Status] = frozenset({"queued", "running", "paused"})
PARTICIPLE: dict[Request | None, str] = {
    "pause": "paused", "stop": "stopped", "cancel": "cancelled", None: "resumed",
}  # fmt: skip
CONCERNED: dict[Request | None, frozenset[Status]] = {
    "pause": frozenset({"running"}), "stop": ACTIVE, "cancel": ACTIVE, None: frozenset(),
}  # fmt: skip
"""The runs to which a request is sent, by their status."""
FINAL: tuple[Request, ...] = ("stop", "cancel")


def refuse_weaker(record: ExperimentRecord, request: Request | None, status: ExperimentStatus) -> None:
    """Raises IllegalAction if an experiment is over, or if one that was stopped or cancelled should be paused or
    resumed."""
    if status in ("finished", "cancelled") and request != record.request:
        raise IllegalAction(record.id, status=status, asked=PARTICIPLE[request])
    if record.request in FINAL and request not in ("cancel", record.request):
        raise IllegalAction(record.id, status=PARTICIPLE[record.request], asked=PARTICIPLE[request])


def carry_out(
    record: ExperimentRecord, request: Request | None, experiments: ExperimentStore, artifacts: Artifacts
) -> None:
    """Sends a request to all runs of an experiment that are not over, in one write; with None resumes those that are
    paused. Does nothing if a user has asked for something else meanwhile."""
    # Also to a run that was retried twice, which is not in its place any more.
    command, statuses = command_for(request)
    for run in experiments.command_all(record, command, statuses, request):
        artifacts.clean_up_after(run)


def opening_for_retry(
    before: ExperimentRecord, cell: Cell, experiments: ExperimentStore, artifacts: Artifacts
) -> Write | None:
    """Returns what a retry of a run changes in the record of its experiment, which may have been stopped or cancelled;
    None if nothing. Of the runs that were not created before that, only those of the same seed and fold are created."""
    after = reopened(before, experiments, artifacts)
    if before.has_dependents:
        place = cell.seed, cell.fold
        others = tuple(each for each in before.refused if (each.seed, each.fold) != place)
        given_up = given_up_runs(before, after, cell, experiments.runs(before))
        after = after.model_copy(update={"is_complete": False, "refused": (*others, *given_up)})
    elif after is before:
        return None
    # Always a write, so that a supervisor that has not seen the new run cannot end the experiment afterwards.
    return experiments.change_write(before, after.model_copy(update={"updated_at": rfc3339(experiments.now())}))


def given_up_runs(
    before: ExperimentRecord, after: ExperimentRecord, cell: Cell, runs: Sequence[ExperimentRun]
) -> Iterator[RefusedRun]:
    """Yields the runs that a retry in an experiment that was stopped or cancelled does not bring back."""
    if before.request not in TOO_LATE:
        return
    for each in missing_runs(after, runs):
        if each.state != "given_up" and (each.seed, each.fold) != (cell.seed, cell.fold):
            yield refused(each, TOO_LATE[before.request])


def reopened(record: ExperimentRecord, experiments: ExperimentStore, artifacts: Artifacts) -> ExperimentRecord:
    """Returns the record of an experiment to which runs can be added, after its final request has reached all runs that
    there are."""
    if record.request not in FINAL:
        return record
    carry_out(record, record.request, experiments, artifacts)
    return without_final(record)


def without_final(record: ExperimentRecord) -> ExperimentRecord:
    """Returns the record without its final request, if it has one."""
    return record.model_copy(update={"request": None}) if record.request in FINAL else record


def command_for(request: Request | None) -> tuple[RequestAction | Resume, frozenset[Status]]:
    """Returns what runs are asked for when their whole experiment is, and which runs, by their status."""
    match request:
        case None:
            return Resume(), frozenset({"paused", "running"})
        case "stop":
            return RequestAction("stop", cancels_new=True), CONCERNED[request]
        case _:
            return RequestAction(request), CONCERNED[request]
