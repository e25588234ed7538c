"""Fills places of an experiment with finished runs that can be used again, and with new runs."""

from collections.abc import Sequence

from bakehouse.experiments.document import ExperimentDocument
from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.planning import Place, new_run, reused_run
from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.run import Run
from bakehouse.runs.wire import Texts

NewRuns = list[tuple[Run, Texts]]


def fill(
    experiments: ExperimentStore, record: ExperimentRecord, wanted: Sequence[Place]
) -> tuple[ExperimentRecord, NewRuns]:
    """Returns a record with the finished runs that it can use again, and new runs for all other places."""
    pairs = list(zip(wanted, find_reusable(experiments, record.document, wanted), strict=True))
    reused = [reused_run(place, run_id) for place, run_id in pairs if run_id is not None]
    runs = [new_run(place, record.id, record.priority) for place, run_id in pairs if run_id is None]
    return record.model_copy(update={"reused": (*record.reused, *reused)}), runs


def find_reusable(
    experiments: ExperimentStore, document: ExperimentDocument, wanted: Sequence[Place]
) -> list[str | None]:
    """Returns, for each place, a finished run that is its result; None if there is none."""
    if not document.reuse:
        return [None] * len(wanted)
    return experiments.reusable([place.digest for place in wanted])
