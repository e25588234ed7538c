"""Deletes the runs of a deleted experiment: the service at once, a supervisor if it was interrupted."""

from dataclasses import dataclass, field

from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import RunHasDependants, RunNotFound
from bakehouse.runs.store import Store


@dataclass
class DeletedRuns:
    """What has become of the runs of a deleted experiment."""

    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """The runs that others need."""
    bytes_freed: int = 0


def delete_runs(experiment_id: str, experiments: ExperimentStore, store: Store, artifacts: Artifacts) -> DeletedRuns:
    """Deletes the runs that a deleted experiment has made, except those that others need."""
    found = DeletedRuns()
    # The newest first: a run is younger than those that it builds on, which are needed as long as it is there.
    for run_id in reversed(experiments.run_ids(experiment_id)):
        try:
            store.delete(run_id)
        except RunHasDependants:
            found.kept.append(run_id)
            continue
        except RunNotFound:
            pass  # somebody else has deleted it meanwhile
        found.bytes_freed += artifacts.delete_run(run_id)
        found.deleted.append(run_id)
    found.deleted.reverse()
    found.kept.reverse()
    experiments.forget_deleted(experiment_id)
    return found
