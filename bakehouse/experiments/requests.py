"""Carries out what a user has asked for a whole experiment: the service at once, a supervisor if it was interrupted."""

from bakehouse.experiments.answer import ExperimentStatus
from bakehouse.experiments.errors import IllegalAction
from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import RequestAction, Resume
from bakehouse.runs.errors import IllegalTransition, RecordUnreadable, RunNotFound
from bakehouse.runs.status import TERMINAL, Request, Status
from bakehouse.runs.store import Store

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
    record: ExperimentRecord, request: Request | None, experiments: ExperimentStore, store: Store, artifacts: Artifacts
) -> None:
    """Sends a request to all runs of an experiment that are not over; with None resumes those that are paused."""
    # Also to a run that was retried twice, which is not in its place any more. The newest come first: if a run leaves
    # the queue, all younger ones of its experiment move forward.
    for run_id, status in reversed(experiments.statuses(record.id).items()):
        command = None if status in TERMINAL else command_for(request, status)
        if command is None:
            continue
        # A user may ask for something else meanwhile.
        if experiments.request(record.id) != request:
            return
        try:
            artifacts.clean_up_after(store.command(run_id, command))
        except (IllegalTransition, RunNotFound, RecordUnreadable):
            continue  # the run has ended meanwhile, or cannot be claimed either


def reopen(experiment_id: str, experiments: ExperimentStore, store: Store, artifacts: Artifacts) -> None:
    """Lets new runs of an experiment be claimed that was stopped or cancelled. Raises ExperimentNotFound."""

    def change(before: ExperimentRecord) -> tuple[ExperimentRecord, tuple[()]]:
        return reopened(before, experiments, store, artifacts), ()

    experiments.change(experiment_id, change)


def reopened(
    record: ExperimentRecord, experiments: ExperimentStore, store: Store, artifacts: Artifacts
) -> ExperimentRecord:
    """Returns the record of an experiment to which runs can be added, after its final request has reached all runs that
    there are."""
    if record.request not in FINAL:
        return record
    carry_out(record, record.request, experiments, store, artifacts)
    return record.model_copy(update={"request": None})


def command_for(request: Request | None, status: Status) -> RequestAction | Resume | None:
    """Returns what a run is asked for when its whole experiment is."""
    match request, status:
        case None, "paused" | "running":
            return Resume()
        case "pause", "running":
            return RequestAction("pause")
        case "stop", _:
            return RequestAction("stop", cancels_new=True)
        case "cancel", _:
            return RequestAction("cancel")
        case _:
            return None
