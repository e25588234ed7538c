"""Losses and hits of training steps, kept on the device and read together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from bakehouse.plan.plan import Plan
from worker.data.dataset import Data
from worker.evaluation.evaluate import Metrics, Sums, hits, loss_scale, sums
from worker.objective.targets import parts


class TargetMetrics:
    """Each target's losses and hits in an epoch's training steps."""

    def __init__(self, plan: Plan, data: Data) -> None:
        self.parts = parts(plan, is_clean=False)
        self.scales = [loss_scale(part.head, data, part.place) for part in self.parts]
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forgets the sums."""
        self.sums: list[Sums] = [[0.0] * 4 for _ in self.parts]

    def take(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Outputs and targets of some steps. Added one by one and in Python: the sums must not depend on how many
        are read together."""
        for step in torch.stack([sums(outputs, targets, self.parts) for outputs, targets in steps]).tolist():
            self.sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(self.sums, step, strict=True)]

    def metrics(self) -> Metrics:
        """Of the epoch, in training mode: means over the rows that have a label."""
        found: Metrics = {}
        for part, (rows, loss, correct, _), scale in zip(self.parts, self.sums, self.scales, strict=True):
            found[f"train_{part.head.label}_loss"] = scale * loss / max(rows, 1.0)
            if part.head.classes is not None:
                [name] = part.head.metrics("train")
                found[name] = correct / max(rows, 1.0)
        return found

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return {"sums": self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the sums."""
        self.sums = state["sums"]


# A GPU waits when numbers are read: a few times a second is often enough for people.
READ_SECONDS = 0.2
BLOCK_STEPS = 64
EVERY_STEP_UNTIL = 256


@dataclass(frozen=True, slots=True)
class StepLog:
    """Numbers of one optimizer step, counted from 1."""

    step: int
    epoch: int
    loss: float
    lr: float


def is_logged(step: int) -> bool:
    """Every step up to 256, every second up to 512, every fourth up to 1,024, ...: by number, not by the clock."""
    stride = 1 << ((step - 1) // EVERY_STEP_UNTIL).bit_length()
    return step % stride == 0


def epoch_metrics(plan: Plan, data: Data) -> "EpochMetrics":
    """Of a run that has done nothing yet."""
    if plan.data.tasks:
        return EpochMetrics(counts_hits=False, loss_scale=1.0, tally=TargetMetrics(plan, data))
    return EpochMetrics(counts_hits=plan.data.task == "classification", loss_scale=data.target_std**2)


class EpochMetrics:
    """Sums over the epoch so far, and the steps that have not been read from the device."""

    def __init__(self, *, counts_hits: bool, loss_scale: float, tally: TargetMetrics | None = None) -> None:
        """`tally` is for several targets."""
        self.counts_hits, self.loss_scale, self.tally = counts_hits, loss_scale, tally
        self.pending: list[tuple[Tensor, Tensor, Tensor]] = []
        # The first step is read at once: it shows that a run is alive.
        self.read_at = -READ_SECONDS
        self.diverged_at: int | None = None
        self.started_at = perf_counter()
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forgets the sums."""
        self.loss_sum, self.hits, self.rows = 0.0, 0, 0
        if self.tally is not None:
            self.tally.start_epoch()

    def start_clock(self) -> None:
        """Begins to count the epoch's seconds."""
        self.started_at = perf_counter()

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Takes a step's tensors as they are, without waiting for them."""
        self.pending.append((loss, outputs, targets))

    def is_due(self) -> bool:
        """Whether it is time to read."""
        return len(self.pending) >= BLOCK_STEPS or perf_counter() - self.read_at > READ_SECONDS

    def read(self, step: int) -> list[tuple[int, float]]:
        """The pending steps, of which `step` is the last, as (step, loss); ends at one that is not finite."""
        pending, self.pending, self.read_at = self.pending, [], perf_counter()
        if not pending:
            return []
        losses = (torch.stack([loss for loss, _, _ in pending]).double() * self.loss_scale).tolist()
        rows = [len(targets) for _, _, targets in pending]
        if self.counts_hits:
            outputs, targets = (torch.cat([item[place] for item in pending]) for place in (1, 2))
            self.hits += int(hits(outputs, targets))
        if self.tally is not None:
            self.tally.take([(outputs, targets) for _, outputs, targets in pending])
        # One by one and in Python: the sum must not depend on when it is read.
        for loss, count in zip(losses, rows, strict=True):
            self.loss_sum += loss * count
        self.rows += sum(rows)
        steps = list(enumerate(losses, start=step - len(losses) + 1))
        return self.up_to_divergence(steps)

    def up_to_divergence(self, steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """The steps without what came after the first that is not finite."""
        for position, (step, loss) in enumerate(steps):
            if not math.isfinite(loss):
                self.diverged_at = step
                return steps[: position + 1]
        return steps

    def metrics(self) -> dict[str, float]:
        """Of the epoch, in training mode: means over its rows."""
        found = {"train_loss": self.loss_sum / self.rows}
        if self.tally is not None:
            return found | self.tally.metrics()
        return found | ({"train_accuracy": self.hits / self.rows} if self.counts_hits else {})

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        sums = {"loss_sum": self.loss_sum, "hits": self.hits, "rows": self.rows}
        return sums if self.tally is None else sums | self.tally.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the sums."""
        self.loss_sum, self.hits, self.rows = state["loss_sum"], state["hits"], state["rows"]
        if self.tally is not None:
            self.tally.load_state_dict(state)
