"""Exceptions of experiments. They are independent of HTTP."""

from bakehouse.runs.errors import RunsError


class ExperimentNotFound(RunsError):
    """Raised if there is no experiment with this id."""

    def __init__(self, experiment_id: str) -> None:
        super().__init__(f"There is no experiment {experiment_id!r}.")
        self.experiment_id = experiment_id


class IllegalAction(RunsError):
    """Raised if the status of an experiment does not allow the action."""

    def __init__(self, experiment_id: str, *, status: str, asked: str) -> None:
        super().__init__(f"The experiment {experiment_id} is {status}; it cannot be {asked}.")
        self.experiment_id = experiment_id
        self.status = status


class RunInExperiment(RunsError):
    """Raised if a run should be deleted that is a part of the answer of an experiment."""

    def __init__(self, run_id: str, experiment_id: str) -> None:
        super().__init__(f"The run {run_id} is part of the experiment {experiment_id}; delete the experiment instead.")
        self.experiment_id = experiment_id


class NoEnsemble(RunsError):
    """Raised if the runs of an arm cannot be one model, at least not now."""


class EnsembleNotFound(RunsError):
    """Raised if an experiment has no ensemble of this name."""

    def __init__(self, experiment_id: str, name: str) -> None:
        super().__init__(f"The experiment {experiment_id} has no ensemble {name!r}.")


class ExperimentUnreadable(RunsError):
    """Raised if another version of Bakehouse wrote the experiment's record and this version cannot read it."""

    def __init__(self, experiment_id: str) -> None:
        super().__init__(
            f"The experiment {experiment_id} was written by another version of Bakehouse; this version cannot read it."
        )
        self.experiment_id = experiment_id
