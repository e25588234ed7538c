"""Several targets at once: the weighted sum of their losses over the rows that have a label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.heads import Head
from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Loss
from worker.objective.losses import (
    binary_cross_entropy,
    clean_objective,
    objective,
    over_all_classes,
    poisson_by_row,
    poisson_of_means_by_row,
    squared_error,
)
from worker.types import Objective

RowLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs (N, outputs of a target), targets (N,)) -> the loss of each row."""


@dataclass(frozen=True)
class Part:
    """A target's share of outputs and targets."""

    head: Head
    place: int
    """Its column of the targets."""
    loss: RowLoss

    def outputs(self, outputs: Tensor) -> Tensor:
        """Its own columns."""
        return outputs[:, self.head.first : self.head.first + self.head.outputs]


def parts(plan: Plan, *, is_clean: bool) -> tuple[Part, ...]:
    """As training scores them, or `is_clean`: without smoothing, of what the whole model answers."""
    smoothing = plan.recipe.objective.label_smoothing
    found = []
    for place, head in enumerate(plan.heads):
        epsilon = 0.0
        if smoothing is not None and head.classes is not None and not is_clean:
            epsilon = over_all_classes(smoothing, classes=len(head.classes))
        found.append(Part(head, place, row_loss(head.loss, epsilon=epsilon, is_clean=is_clean)))
    return tuple(found)


def row_loss(loss: Loss, *, epsilon: float, is_clean: bool) -> RowLoss:
    """As in `losses`, row by row."""
    match loss:
        case "cross_entropy":
            return partial(cross_entropy, epsilon=epsilon)
        case "binary_cross_entropy":
            return partial(binary_cross_entropy, epsilon=epsilon, reduction="none")
        case "squared_error":
            return partial(squared_error, reduction="none")
        case "poisson":
            return poisson_of_means_by_row if is_clean else poisson_by_row
        case _:
            assert_never(loss)


def cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float) -> Tensor:
    """-log softmax(y) of the class."""
    return functional.cross_entropy(outputs, targets.long(), reduction="none", label_smoothing=epsilon)


def training_objective(plan: Plan) -> Objective:
    """What a step lowers: of one target its loss, of several their weighted sum."""
    if not plan.data.tasks:
        return objective(plan.loss, plan.recipe.objective.label_smoothing)
    return partial(weighted_sum, parts=parts(plan, is_clean=False))


def weighted_sum(outputs: Tensor, targets: Tensor, *, parts: Sequence[Part]) -> Tensor:
    """sum_q w_q L_q: L_q is the mean over the rows that have a label of q, 0 where none has. Caruana 1997."""
    is_known, known = labelled(targets)
    rows = torch.stack([part.loss(part.outputs(outputs), known[:, part.place]) for part in parts], 1)
    means = torch.where(is_known, rows, 0.0).sum(0) / is_known.sum(0).clamp(min=1)
    weighted = [part.head.weight * mean for part, mean in zip(parts, means, strict=True)]
    return torch.stack(weighted).sum()


def labelled(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Where there is a label, and the targets with 0 where there is none."""
    is_known = ~targets.isnan()
    return is_known, torch.where(is_known, targets, 0.0)


def measured_objective(plan: Plan, model: nn.Module) -> Objective:
    """What `measure` calls the loss, of what a whole model answers."""
    if not plan.data.tasks:
        return clean_objective(plan.loss)
    scaled = []
    for part in parts(plan, is_clean=True):
        is_standardized = part.head.loss == "squared_error"
        std = float(model.get_submodule(f"units.{part.head.name}").get_buffer("std")) if is_standardized else 1.0
        scaled.append(replace(part, head=replace(part.head, weight=part.head.weight / std**2)))
    return partial(weighted_sum, parts=scaled)
