"""Defines the events that a training yields while it runs."""

from dataclasses import dataclass
from typing import Literal

from bakehouse.model import JsonObject
from worker.evaluation.evaluate import Metrics, SplitName
from worker.training.metrics import StepLog
from worker.types import Weights

Ending = Literal["early_stopped", "epochs_done", "time_budget", "pruned", "stopped_by_user"]


@dataclass(frozen=True, slots=True)
class EpochLog:
    """The metrics of an epoch, logged at its end. Epochs are counted from 1."""

    epoch: int
    step: int
    metrics: Metrics
    lr: float
    seconds: float
    epochs_since_best: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class DiagnosticLog:
    """The values of a diagnostic: numbers, texts, or lists of them. Logs with the same name have rising `step`."""

    name: str
    epoch: int
    step: int
    values: JsonObject


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a training, with the reason for its end, and the metrics of the best weights on the test
    split."""

    ending: Ending
    metrics: Metrics
    last: EpochLog
    last_weights: Weights
    left_out: tuple[SplitName, ...]
    """The measurements on the test split that were not finished, because the run was asked to end."""


TrainingEvent = StepLog | EpochLog | DiagnosticLog | Finished


class NonFinite(Exception):
    """Raised if the loss at a step is not finite, or if the monitor was finite in no epoch."""

    def __init__(self, step: int, pointer: str = "/optimizer/lr") -> None:
        super().__init__(f"the loss is not finite at step {step}")
        self.step = step
        self.pointer = pointer
