"""What a training tells while it runs."""

from dataclasses import dataclass
from typing import Any, Literal

from worker.evaluation.evaluate import Metrics
from worker.training.metrics import StepLog
from worker.types import Weights

Ending = Literal["early_stopped", "epochs_done", "time_budget", "stopped_by_user"]


@dataclass(frozen=True, slots=True)
class EpochLog:
    """Numbers at the end of an epoch, counted from 1."""

    epoch: int
    step: int
    metrics: Metrics
    lr: float
    seconds: float
    epochs_since_best: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class DiagnosticLog:
    """What a diagnostic found: numbers, texts, or lists of them. `step` grows from one of a name to the next."""

    name: str
    epoch: int
    step: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end: why, and what the best weights reach on the test split."""

    ending: Ending
    metrics: Metrics
    last: EpochLog
    last_weights: Weights


TrainingEvent = StepLog | EpochLog | DiagnosticLog | Finished


class NonFinite(Exception):
    """The loss of a step, or the monitor of every epoch, is not a number."""

    def __init__(self, step: int, pointer: str = "/optimizer/lr") -> None:
        self.step, self.pointer = step, pointer
        super().__init__(f"the loss is not finite at step {step}")
