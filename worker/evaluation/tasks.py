"""The metrics of each target of a model, over the rows that have a label of it."""

from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bakehouse.plan.heads import Head
from bakehouse.plan.plan import Plan
from worker.dataset import Data, Split
from worker.evaluation.measuring import BATCH_ROWS, Metrics, SplitName, evaluate, r2, told
from worker.objective.losses import clean_objective
from worker.objective.tasks import Part, labelled, parts
from worker.types import Model

Sums = list[float]
"""Of one target: rows with a label, loss, and hits or absolute and squared errors."""


def measure(plan: Plan, data: Data, model: nn.Module, split: Split, name: SplitName) -> Generator[None, None, Metrics]:
    """A whole model on a split, in the data's units; yields after each batch."""
    if plan.data.tasks:
        return measure_tasks(plan, data, model, split, name)
    loss = clean_objective(plan.recipe.objective)
    return evaluate(model, split, name, task=plan.data.task, objective=loss)


def measure_tasks(
    plan: Plan, data: Data, model: Model, split: Split, name: SplitName
) -> Generator[None, None, Metrics]:
    """Means over the rows that have a label. The sums are in float64 and read once."""
    clean = parts(plan, is_clean=True)
    totals = torch.zeros((len(clean), 4), dtype=torch.float64, device=split.inputs.device)
    for rows, targets in split.batches(BATCH_ROWS):
        with torch.inference_mode():
            totals += sums(model(rows).float(), targets, clean)
        yield
    return metrics(plan, data, split.targets, totals.tolist(), name)


def sums(outputs: Tensor, targets: Tensor, parts: Sequence[Part]) -> Tensor:
    """(targets, 4): rows with a label, and over them the loss, and hits or absolute and squared errors."""
    is_known, known = labelled(targets)
    found = []
    for part in parts:
        own, target = part.outputs(outputs), known[:, part.place]
        rows = torch.stack((torch.ones_like(target), part.loss(own, target), *errors(part.head, own, target)))
        found.append(torch.where(is_known[:, part.place], rows, 0.0).double().sum(1))
    return torch.stack(found)


def errors(head: Head, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row: whether the class is told, and nothing; or the absolute and the squared error."""
    if head.classes is None:
        difference = outputs.squeeze(1) - targets
        return difference.abs(), difference.square()
    return (told(outputs) == targets).to(outputs.dtype), torch.zeros_like(targets)


def metrics(plan: Plan, data: Data, targets: Tensor, totals: list[Sums], split: SplitName) -> Metrics:
    """The weighted sum as training weighs it, of standardised numbers; then each target by itself, in its units."""
    found: Metrics = {f"{split}_loss": 0.0}
    for place, (head, (rows, *rest)) in enumerate(zip(plan.heads, totals, strict=True)):
        loss, first, second = (value / max(rows, 1.0) for value in rest)
        found[f"{split}_loss"] += head.weight * loss / loss_scale(head, data, place)
        found[f"{split}_{head.label}_loss"] = loss
        values = [first] if head.classes is not None else [first, r2(second, targets[:, place])]
        found |= dict(zip(head.metrics(split), values, strict=True))
    return found


def loss_scale(head: Head, data: Data, place: int) -> float:
    """What a loss in the data's units is divided by to be that of training: the variance, of squared errors."""
    assert data.units is not None, "several targets have units"
    return float(data.units.std[place]) ** 2 if head.loss == "squared_error" else 1.0


class Tally:
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
        for part, (rows, loss, hits, _), scale in zip(self.parts, self.sums, self.scales, strict=True):
            found[f"train_{part.head.label}_loss"] = scale * loss / max(rows, 1.0)
            if part.head.classes is not None:
                [name] = part.head.metrics("train")
                found[name] = hits / max(rows, 1.0)
        return found

    def state(self) -> dict[str, Any]:
        """The sums."""
        return {"sums": self.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up the sums."""
        self.sums = state["sums"]
