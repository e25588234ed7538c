"""Measuring a model: evaluation mode, no augmentation, the clean objective, the data's own units."""

from collections.abc import Callable, Generator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.card import Task
from bakehouse.plan.heads import Head
from bakehouse.plan.plan import Plan
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data, Split
from worker.objective.losses import clean_objective, squared_error
from worker.objective.targets import Part, labelled, parts
from worker.types import Model, Objective

Metrics = dict[str, float]
SplitName = Literal[
    "validation", "test", "test_monte_carlo", "test_crops", "test_adversarial", "train_clean", "train_mode", "eval_mode"
]  # fmt: skip

Measure = Callable[[nn.Module, Split, SplitName], Generator[None, None, Metrics]]
"""Metrics of a whole model on a split; yields after each batch."""


def evaluate(
    model: Model, split: Split, name: SplitName, *, task: Task, objective: Objective
) -> Generator[None, None, Metrics]:
    """Yields after each batch; returns the split's metrics. The sums are in float64 and read once."""
    totals = torch.zeros(2 if task == "classification" else 3, dtype=torch.float64, device=split.inputs.device)
    for rows, wanted in split.batches(BATCH_ROWS):
        with torch.inference_mode():
            outputs = model(rows)
            totals += batch_totals(comparable(outputs, wanted), wanted, task=task, objective=objective)
        yield
    loss, other, *squared = (totals / len(split.targets)).tolist()
    if task == "classification":
        return {f"{name}_loss": loss, f"{name}_accuracy": other}
    return {f"{name}_loss": loss, f"{name}_mean_absolute_error": other, f"{name}_r2": r2(squared[0], split.targets)}


def comparable(outputs: Tensor, targets: Tensor) -> Tensor:
    """Outputs in the precision of the targets, which is 64 bits where their numbers need them."""
    return outputs.to(targets.dtype) if targets.is_floating_point() else outputs.float()


def batch_totals(outputs: Tensor, targets: Tensor, *, task: Task, objective: Objective) -> Tensor:
    """Sums over rows: of the loss, and of hits or of absolute and squared errors."""
    loss = objective(outputs, targets).double() * len(targets)
    if task == "classification":
        return torch.stack((loss, hits(outputs, targets).double()))
    absolute = (outputs.squeeze(1) - targets).abs().double().sum()
    squared = squared_error(outputs, targets).double() * len(targets)
    return torch.stack((loss, absolute, squared))


def r2(squared: float, targets: Tensor) -> float:
    """1 - the mean squared error over the variance of the labels; 0 where they are all the same."""
    known = targets[~targets.isnan()].double()
    spread = float(known.var(correction=0)) if len(known) else 0.0
    return 1 - squared / spread if spread else 0.0


def hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Rows whose class is told."""
    return (told(outputs) == classes_of(targets)).sum()


def told(outputs: Tensor) -> Tensor:
    """The class with the largest logit; a single logit is that of class 1 against 0."""
    return outputs.argmax(1) if outputs.shape[1] > 1 else outputs.squeeze(1) > 0


def classes_of(targets: Tensor) -> Tensor:
    """Class numbers; of mixed targets, those with the larger share."""
    if targets.ndim == 2:
        return targets.argmax(1)
    return targets > 0.5 if targets.is_floating_point() else targets


Sums = list[float]
"""Of one target: rows with a label, loss, and hits or absolute and squared errors."""


def measure(plan: Plan, data: Data, model: nn.Module, split: Split, name: SplitName) -> Generator[None, None, Metrics]:
    """A whole model on a split, in the data's units; yields after each batch."""
    if plan.data.tasks:
        return measure_tasks(plan, data, model, split, name)
    loss = clean_objective(plan.loss)
    return evaluate(model, split, name, task=plan.data.task, objective=loss)


def measure_tasks(
    plan: Plan, data: Data, model: Model, split: Split, name: SplitName
) -> Generator[None, None, Metrics]:
    """Means over the rows that have a label. The sums are in float64 and read once."""
    clean = parts(plan, is_clean=True)
    totals = torch.zeros((len(clean), 4), dtype=torch.float64, device=split.inputs.device)
    for rows, targets in split.batches(BATCH_ROWS):
        with torch.inference_mode():
            totals += sums(comparable(model(rows), targets), targets, clean)
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
