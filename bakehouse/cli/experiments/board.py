"""The state of an experiment as the live display shows it: a mark for each run, and the means so far."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bakehouse.client import ExperimentEvent
from bakehouse.client.reading import ExperimentState
from bakehouse.experiments.answer import ArmResult, Results
from bakehouse.experiments.experiment import ExperimentRun, MissingRun
from bakehouse.runs.status import TERMINAL

MARKS: Mapping[str, str] = {
    "queued": "·", "running": "▸", "paused": "‖", "succeeded": "✓", "failed": "✗", "cancelled": "-", "reused": "=",
}  # fmt: skip
MEANINGS: Mapping[str, str] = {
    "queued": "waits", "running": "trains", "paused": "is paused", "succeeded": "done", "failed": "failed",
    "cancelled": "cancelled", "reused": "trained before",
}  # fmt: skip


@dataclass
class Board:
    """The runs of an experiment by arm, and their statuses. `observe` takes events in order."""

    record: ExperimentState
    results: Results | None = None
    statuses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read(self.record)

    def read(self, record: ExperimentState) -> None:
        """Takes over a newer state of the experiment."""
        self.record = record
        self.statuses = {run.run: run.status for run in record.runs}

    def observe(self, event: ExperimentEvent) -> bool:
        """Updates the status of a run; returns whether the run is known. A search, an extension and a retry make new
        runs."""
        if event.type in ("state", "end"):
            if event.run_id not in self.statuses:
                return False
            self.statuses[event.run_id] = event.data["status"]
        return True

    def state(self, run: ExperimentRun) -> str:
        """Returns the status of a run, or `reused`."""
        return "reused" if run.reused else self.statuses[run.run]

    def runs_of(self, arm: str) -> list[ExperimentRun]:
        """Returns the runs of an arm by seed and fold."""
        return [run for run in self.record.runs if run.arm == arm]

    def count(self, *states: str) -> int:
        """Returns the number of runs in these states."""
        return sum(self.state(run) in states for run in self.record.runs)

    @property
    def wanted(self) -> int:
        """Number of runs, with those that do not exist yet."""
        return len(self.record.runs) + len(self.record.missing)

    @property
    def over(self) -> int:
        """Number of runs that are over, with those that are not created."""
        return self.count("reused", *TERMINAL) + len(self.given_up)

    @property
    def given_up(self) -> list[MissingRun]:
        """The runs that are not created, because others have failed that they build on, or because of a request."""
        return [missing for missing in self.record.missing if missing.state == "given_up"]

    def endings(self) -> list[str]:
        """Returns the statuses of the runs, and for each run that was given up that of the one that prevented it."""
        prevented = [self.statuses.get(each.run or "", "cancelled") for each in self.given_up]
        # If that run has succeeded, what would have been built on it could not be planned.
        return [*self.statuses.values(), *("failed" if each == "succeeded" else each for each in prevented)]

    def ended(self) -> Iterator[ExperimentRun]:
        """Yields the runs of this experiment that are over."""
        yield from (run for run in self.record.runs if self.state(run) in TERMINAL)

    def result(self, arm: str) -> ArmResult | None:
        """Returns what is known of an arm."""
        return next((each for each in self.results.arms if each.name == arm), None) if self.results else None

    def value(self, run: ExperimentRun) -> float | None:
        """Returns the metric of a run that has ended."""
        found = self.result(run.arm)
        return found.values.get(place_of(run)) if found else None


def place_of(run: ExperimentRun) -> str:
    """Returns the key of a run's value among those of its arm."""
    return str(run.seed) if run.fold is None else f"{run.seed}/{run.fold}"
