"""Computes the metrics of training steps, whose tensors stay on the device until many are read together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor

from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target
from worker.data.dataset import Data
from worker.evaluation.evaluate import Metrics, Sums, count_hits, totals_by_label
from worker.objective.targets import training_losses
from worker.types import State, Stateful

# Reading numbers makes a GPU wait, so they are read only a few times a second.
READ_SECONDS = 0.2
# Outputs that are not read stay on the device, so their number is limited.
BLOCK_STEPS = 64
EVERY_STEP_UNTIL = 256


@dataclass(frozen=True, slots=True)
class StepLog:
    """The loss and learning rate of an optimizer step. Steps and epochs are counted from 1."""

    step: int
    epoch: int
    loss: float
    lr: float


def is_logged(step: int) -> bool:
    """Whether a step is logged: every step up to 256, every second up to 512, every fourth up to 1,024, and so on.

    This does not depend on the clock, so that two runs of a recipe log the same steps.
    """
    return step == last_logged(step)


def last_logged(step: int) -> int:
    """Returns the last step up to this one that is logged; 0 if there is none."""
    stride = 1 << ((step - 1) // EVERY_STEP_UNTIL).bit_length()
    return step - step % stride


class TargetMetrics(Stateful, Protocol):
    """Computes the training metrics of the targets besides `train_loss`."""

    def start_epoch(self) -> None:
        """Resets the sums for a new epoch."""

    def add(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Adds the outputs and targets of some steps."""

    def metrics(self) -> Metrics:
        """Returns means over the epoch so far."""


class SingleTargetMetrics:
    """Computes the accuracy of a model with one target. The target's loss is the loss of the step."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.start_epoch()

    def start_epoch(self) -> None:
        self.hits = 0
        self.rows = 0

    def add(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        self.rows += sum(len(targets) for _, targets in steps)
        if self.target.classes is None:
            return
        # All steps are compared at once; mixed labels and class numbers are compared in the same way.
        outputs = torch.cat([outputs for outputs, _ in steps])
        targets = torch.cat([targets for _, targets in steps])
        self.hits += int(count_hits(outputs, targets))

    def metrics(self) -> Metrics:
        return {} if self.target.classes is None else {"train_accuracy": self.hits / self.rows}

    def state_dict(self) -> State:
        return {"hits": self.hits, "rows": self.rows}

    def load_state_dict(self, state: State) -> None:
        self.hits = state["hits"]
        self.rows = state["rows"]


class LabelledMetrics:
    """Computes the loss and accuracy of each of several targets, over the rows that have its label."""

    def __init__(self, plan: Plan, data: Data) -> None:
        self.losses = training_losses(plan.targets, plan.recipe.objective.label_smoothing)
        self.units = data.units
        self.start_epoch()

    def start_epoch(self) -> None:
        self.sums: list[Sums] = [[0.0] * 4 for _ in self.losses]

    def add(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        # Steps are added one by one in Python, so that the sums do not depend on how many steps are read together.
        for step in torch.stack([totals_by_label(*pair, losses=self.losses) for pair in steps]).tolist():
            self.sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(self.sums, step, strict=True)]

    def metrics(self) -> Metrics:
        found: Metrics = {}
        for target, unit, (rows, loss, hits, _) in zip(self.losses, self.units, self.sums, strict=True):
            # Losses are those of standardised numbers, but logs are in the data's units.
            found[f"train_{target.loss_metric}"] = unit.variance * loss / max(rows, 1.0)
            if target.classes is not None:
                [measure] = target.measures
                found[f"train_{measure}"] = hits / max(rows, 1.0)
        return found

    def state_dict(self) -> State:
        return {"sums": self.sums}

    def load_state_dict(self, state: State) -> None:
        self.sums = state["sums"]


def epoch_metrics(plan: Plan, data: Data) -> "EpochMetrics":
    """Builds the metrics of a run, with empty sums."""
    of_targets = SingleTargetMetrics(plan.data.main) if len(plan.targets) == 1 else LabelledMetrics(plan, data)
    return EpochMetrics(of_targets, loss_scale=data.loss_scale)


class EpochMetrics:
    """Holds the sums over the epoch so far, and the steps that have not been read from the device."""

    def __init__(self, targets: TargetMetrics, *, loss_scale: float) -> None:
        """`loss_scale` is the factor that converts a step's objective to the loss that is logged."""
        self.targets = targets
        self.loss_scale = loss_scale
        self.pending: list[tuple[Tensor, Tensor, Tensor]] = []
        # The first step is read at once, because it shows that the run is alive.
        self.read_at = -READ_SECONDS
        self.diverged_at: int | None = None
        self.started_at = perf_counter()
        self.start_epoch()

    def start_epoch(self) -> None:
        """Resets the sums for a new epoch."""
        self.loss_sum = 0.0
        self.rows = 0
        self.targets.start_epoch()

    def start_clock(self) -> None:
        """Starts the clock of the epoch."""
        self.started_at = perf_counter()

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Adds a step's tensors without waiting for the device."""
        self.pending.append((loss, outputs, targets))

    def is_due(self) -> bool:
        """Whether it is time to read the pending steps."""
        return len(self.pending) >= BLOCK_STEPS or perf_counter() - self.read_at > READ_SECONDS

    def read(self, step: int) -> list[tuple[int, float]]:
        """Reads the pending steps, the last of which is `step`; returns (step, loss) up to the first loss that is not
        finite."""
        pending = self.pending
        self.pending = []
        self.read_at = perf_counter()
        if not pending:
            return []
        # One transfer for all steps waits for the device once, not once per step.
        losses = (torch.stack([loss for loss, _, _ in pending]).double() * self.loss_scale).tolist()
        self.targets.add([(outputs, targets) for _, outputs, targets in pending])
        # Losses are added one by one in Python, so that the sum does not depend on when it is read.
        for loss, (_, _, targets) in zip(losses, pending, strict=True):
            self.loss_sum += loss * len(targets)
            self.rows += len(targets)
        steps = list(enumerate(losses, start=step - len(losses) + 1))
        return self.up_to_divergence(steps)

    def up_to_divergence(self, steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """Returns the steps up to the first whose loss is not finite, and remembers that step."""
        for index, (step, loss) in enumerate(steps):
            if not math.isfinite(loss):
                self.diverged_at = step
                return steps[: index + 1]
        return steps

    def metrics(self) -> Metrics:
        """Returns the metrics in training mode: means over the rows of the epoch so far."""
        return {"train_loss": self.loss_sum / self.rows, **self.targets.metrics()}

    def state_dict(self) -> State:
        return {"loss_sum": self.loss_sum, "rows": self.rows, **self.targets.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.loss_sum = state["loss_sum"]
        self.rows = state["rows"]
        self.targets.load_state_dict(state)
