"""Builds the objective: the loss of a single target, or the weighted sum of several over the rows that have a label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target
from bakehouse.recipe.objective import LabelSmoothing
from worker.objective.losses import LossFunction, clean_loss, spread_over_all, training_loss
from worker.types import Objective

TargetLosses = Mapping[Target, LossFunction]
"""A mapping from target to loss, in the order of the targets."""


def training_losses(
    targets: Sequence[Target], smoothing: LabelSmoothing | None, weights: Tensor | None = None
) -> TargetLosses:
    """Returns the losses that a step minimises; `weights` are those of the classes of a single target."""
    losses = {}
    for target in targets:
        epsilon = 0.0
        if smoothing is not None and target.classes is not None:
            epsilon = spread_over_all(smoothing, classes=len(target.classes))
        losses[target] = training_loss(target.loss, epsilon=epsilon, weights=weights)
    return losses


def clean_losses(targets: Sequence[Target]) -> TargetLosses:
    """Returns the losses that validation measures."""
    return {target: clean_loss(target.loss) for target in targets}


def training_objective(plan: Plan, weights: Tensor | None = None) -> Objective:
    """Returns the objective that a step minimises; `weights` are those of the classes."""
    return objective(training_losses(plan.targets, plan.recipe.objective.label_smoothing, weights))


def class_weights(plan: Plan, labels: Tensor) -> Tensor | None:
    """Returns the weight of each class of the only target, or None if all weigh the same; `labels` are those of the
    training split. A class that has no row there has weight 1."""
    spec = plan.recipe.objective.class_weights
    classes = plan.data.main.classes
    if spec == "none" or classes is None:
        return None
    if spec == "balanced":
        counts = torch.bincount(labels.cpu(), minlength=len(classes)).double()
        is_present = counts > 0
        weights = torch.where(is_present, counts.sum() / (is_present.sum() * counts.clamp(min=1)), 1.0)
    else:
        weights = torch.tensor([spec.get(name, 1.0) for name in classes])
    return weights.float().to(labels.device)


def measured_objective(plan: Plan, model: nn.Module) -> Objective:
    """Returns the objective whose value `measure` reports as the loss; it takes a whole model's outputs."""
    return objective(clean_losses([with_weight_of_units(target, model) for target in plan.targets]))


def with_weight_of_units(target: Target, model: nn.Module) -> Target:
    """Divides the weight of a squared error by the target's variance, because the weight is for standardised
    numbers."""
    if target.loss != "squared_error":
        return target
    std = float(model.get_submodule(target.unit).get_buffer("std"))
    return replace(target, weight=target.weight / std**2)


def objective(losses: TargetLosses) -> Objective:
    """Returns the loss of a single target, whose rows all have a label, or the weighted sum of several losses."""
    if len(losses) == 1:
        [loss] = losses.values()
        return loss
    return partial(weighted_sum, losses=losses)


def weighted_sum(outputs: Tensor, targets: Tensor, *, losses: TargetLosses) -> Tensor:
    """Returns sum_q w_q L_q, where L_q is the mean over the rows with a label of q, or 0 without any. Caruana 1997."""
    is_known, known = known_labels(targets)
    rows = torch.stack([row_losses(outputs, known, *item) for item in losses.items()], 1)
    means = torch.where(is_known, rows, 0.0).sum(0) / is_known.sum(0).clamp(min=1)
    weighted = [target.weight * mean for target, mean in zip(losses, means, strict=True)]
    return torch.stack(weighted).sum()


def known_labels(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a mask of known labels, and the targets with 0 for missing labels, since nan would reach the gradient."""
    is_known = ~targets.isnan()
    return is_known, torch.where(is_known, targets, 0.0)


def row_losses(outputs: Tensor, known: Tensor, target: Target, loss: LossFunction) -> Tensor:
    """Returns the loss of each row for one of several targets."""
    labels = known[:, target.index]
    # Several targets are stored as floats, but torch would take floats for probabilities of classes.
    if target.loss == "cross_entropy":
        labels = labels.long()
    return loss(outputs[:, target.columns], labels, reduction="none")
