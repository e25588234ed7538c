"""Metrics of an epoch's training steps, which stay on the device and are read together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor

from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target
from worker.data.dataset import Data
from worker.evaluation.evaluate import Metrics, Sums, count_hits, totals_by_label
from worker.objective.targets import training_losses
from worker.types import Stateful

# A GPU waits when numbers are read: a few times a second is often enough for people.
READ_SECONDS = 0.2
BLOCK_STEPS = 64
EVERY_STEP_UNTIL = 256


@dataclass(frozen=True, slots=True)
class StepLog:
    """The numbers of an optimizer step; steps and epochs count from 1."""

    step: int
    epoch: int
    loss: float
    lr: float


def is_logged(step: int) -> bool:
    """Whether a step is logged: every one up to 256, every second up to 512, every fourth up to 1,024, and so on.

    The number decides and not the clock, so that two runs of a recipe log the same steps."""
    stride = 1 << ((step - 1) // EVERY_STEP_UNTIL).bit_length()
    return step % stride == 0


class TargetMetrics(Stateful, Protocol):
    """The targets' metrics besides `train_loss`."""

    def start_epoch(self) -> None:
        """Forgets the sums."""

    def add(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Takes the outputs and targets of some steps."""

    def metrics(self) -> Metrics:
        """Means over the epoch so far."""


class SingleTargetMetrics:
    """The hits of a model with one target, whose loss is that of the step."""

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
        # One comparison for all steps: mixed labels and class numbers are compared alike.
        outputs = torch.cat([outputs for outputs, _ in steps])
        targets = torch.cat([targets for _, targets in steps])
        self.hits += int(count_hits(outputs, targets))

    def metrics(self) -> Metrics:
        return {} if self.target.classes is None else {"train_accuracy": self.hits / self.rows}

    def state_dict(self) -> dict[str, Any]:
        return {"hits": self.hits, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.hits = state["hits"]
        self.rows = state["rows"]


class LabelledMetrics:
    """The losses and hits of several targets, over the rows that have a label of each."""

    def __init__(self, plan: Plan, data: Data) -> None:
        self.losses = training_losses(plan.targets, plan.recipe.objective.label_smoothing)
        self.units = data.units
        self.start_epoch()

    def start_epoch(self) -> None:
        self.sums: list[Sums] = [[0.0] * 4 for _ in self.losses]

    def add(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        # Added one by one and in Python: the sums must not depend on how many steps are read together.
        for step in torch.stack([totals_by_label(*pair, losses=self.losses) for pair in steps]).tolist():
            self.sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(self.sums, step, strict=True)]

    def metrics(self) -> Metrics:
        found: Metrics = {}
        for target, unit, (rows, loss, hits, _) in zip(self.losses, self.units, self.sums, strict=True):
            found[f"train_{target.loss_metric}"] = unit.variance * loss / max(rows, 1.0)
            if target.classes is not None:
                [measure] = target.measures
                found[f"train_{measure}"] = hits / max(rows, 1.0)
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums = state["sums"]


def epoch_metrics(plan: Plan, data: Data) -> "EpochMetrics":
    """The metrics of a run that has not begun."""
    of_targets = SingleTargetMetrics(plan.data.main) if len(plan.targets) == 1 else LabelledMetrics(plan, data)
    return EpochMetrics(of_targets, loss_scale=data.loss_scale)


class EpochMetrics:
    """Sums over the epoch so far, and the steps that have not been read from the device."""

    def __init__(self, targets: TargetMetrics, *, loss_scale: float) -> None:
        """`loss_scale` is the factor from a step's objective to the loss that is logged."""
        self.targets = targets
        self.loss_scale = loss_scale
        self.pending: list[tuple[Tensor, Tensor, Tensor]] = []
        # The first step is read at once: it shows that a run is alive.
        self.read_at = -READ_SECONDS
        self.diverged_at: int | None = None
        self.started_at = perf_counter()
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forgets the sums."""
        self.loss_sum = 0.0
        self.rows = 0
        self.targets.start_epoch()

    def start_clock(self) -> None:
        """Begins to count the epoch's seconds."""
        self.started_at = perf_counter()

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Takes a step's tensors as they are, without waiting for the device."""
        self.pending.append((loss, outputs, targets))

    def is_due(self) -> bool:
        """Whether it is time to read."""
        return len(self.pending) >= BLOCK_STEPS or perf_counter() - self.read_at > READ_SECONDS

    def read(self, step: int) -> list[tuple[int, float]]:
        """Reads the pending steps, of which `step` is the last, as (step, loss); ends at a loss that is not finite."""
        pending = self.pending
        self.pending = []
        self.read_at = perf_counter()
        if not pending:
            return []
        losses = (torch.stack([loss for loss, _, _ in pending]).double() * self.loss_scale).tolist()
        self.targets.add([(outputs, targets) for _, outputs, targets in pending])
        # One by one and in Python: the sum must not depend on when it is read.
        for loss, (_, _, targets) in zip(losses, pending, strict=True):
            self.loss_sum += loss * len(targets)
            self.rows += len(targets)
        steps = list(enumerate(losses, start=step - len(losses) + 1))
        return self.up_to_divergence(steps)

    def up_to_divergence(self, steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """The steps up to the first whose loss is not finite."""
        for index, (step, loss) in enumerate(steps):
            if not math.isfinite(loss):
                self.diverged_at = step
                return steps[: index + 1]
        return steps

    def metrics(self) -> Metrics:
        """The epoch's metrics in training mode: means over its rows."""
        return {"train_loss": self.loss_sum / self.rows, **self.targets.metrics()}

    def state_dict(self) -> dict[str, Any]:
        return {"loss_sum": self.loss_sum, "rows": self.rows, **self.targets.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss_sum = state["loss_sum"]
        self.rows = state["rows"]
        self.targets.load_state_dict(state)
