"""The events that a training yields while it runs."""

from dataclasses import dataclass
from typing import Any, Literal

from worker.evaluation.evaluate import Metrics
from worker.training.metrics import StepLog
from worker.types import Weights

Ending = Literal["early_stopped", "epochs_done", "time_budget", "stopped_by_user"]


@dataclass(frozen=True, slots=True)
class EpochLog:
    """The numbers of an epoch, at its end. Epochs are counted from 1."""

    epoch: int
    step: int
    metrics: Metrics
    lr: float
    seconds: float
    epochs_since_best: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class DiagnosticLog:
    """The values of a diagnostic: numbers, texts, or lists of them. `step` rises from one log of a name to the next."""

    name: str
    epoch: int
    step: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a training: its reason, and the metrics of the best weights on the test split."""

    ending: Ending
    metrics: Metrics
    last: EpochLog
    last_weights: Weights


TrainingEvent = StepLog | EpochLog | DiagnosticLog | Finished


class NonFinite(Exception):
    """The loss of a step, or the monitor of every epoch, is not finite."""

    def __init__(self, step: int, pointer: str = "/optimizer/lr") -> None:
        super().__init__(f"the loss is not finite at step {step}")
        self.step = step
        self.pointer = pointer
