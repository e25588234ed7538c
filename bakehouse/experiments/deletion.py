"""Deletes the runs of a deleted experiment: the service at once, a supervisor if it was interrupted."""

from dataclasses import dataclass, field

from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.artifacts import Artifacts


@dataclass
class DeletedRuns:
    """What has become of the runs of a deleted experiment."""

    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """The runs that others need."""
    bytes_freed: int = 0


def delete_runs(experiment_id: str, experiments: ExperimentStore, artifacts: Artifacts) -> DeletedRuns:
    """Deletes the runs that a deleted experiment has made, except those that others need."""
    found = DeletedRuns()
    runs = experiments.run_ids(experiment_id)
    gone = set(experiments.delete_runs(runs))
    for run_id in runs:
        if run_id in gone:
            found.bytes_freed += artifacts.delete_run(run_id)
        (found.deleted if run_id in gone else found.kept).append(run_id)
    experiments.forget_deleted(experiment_id, found.deleted)
    return found
