"""Measuring a model: evaluation mode, no augmentation, the clean objective, the data's own units."""

from collections.abc import Callable, Generator
from typing import Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.card import Task
from worker.dataset import Split
from worker.objective.losses import squared_error
from worker.types import Model, Objective

# Maps of more rows leave the caches: a small residual network is measured 2.3 times as fast as with 1,024.
BATCH_ROWS = 128

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
            totals += batch_totals(outputs.float(), wanted, task=task, objective=objective)
        yield
    loss, other, *squared = (totals / len(split.targets)).tolist()
    if task == "classification":
        return {f"{name}_loss": loss, f"{name}_accuracy": other}
    return {f"{name}_loss": loss, f"{name}_mean_absolute_error": other, f"{name}_r2": r2(squared[0], split.targets)}


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
