"""Computes the losses of targets: those that training minimises, and those that validation measures."""

from functools import partial
from typing import Protocol, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from bakehouse.recipe.objective import LabelSmoothing, Loss


class LossFunction(Protocol):
    """A function from outputs (N, outputs of the target) and targets (N,) to the mean loss, or to the loss of each row
    if `reduction` is "none"."""

    def __call__(self, outputs: Tensor, targets: Tensor, /, *, reduction: str = "mean") -> Tensor: ...


def training_loss(loss: Loss, *, epsilon: float = 0.0, weights: Tensor | None = None) -> LossFunction:
    """Returns the loss that a step minimises, whose inputs are logits, standardised numbers or the log of a mean.
    `epsilon` is the share of label smoothing that is spread over all classes; `weights` are those of the classes."""
    match loss:
        case "cross_entropy" if weights is not None:
            return partial(weighted_cross_entropy, weights=weights, epsilon=epsilon)
        case "binary_cross_entropy" if weights is not None:
            return partial(weighted_binary_cross_entropy, weights=weights, epsilon=epsilon)
        case "squared_error":
            return squared_error
        case "poisson":
            return poisson
        case "binary_cross_entropy":
            return partial(binary_cross_entropy, epsilon=epsilon)
        case "cross_entropy":
            return partial(functional.cross_entropy, label_smoothing=epsilon)
        case _:
            assert_never(loss)


def clean_loss(loss: Loss) -> LossFunction:
    """Returns the loss that validation measures, which takes the whole model's outputs. It has no label smoothing, so
    that recipes can be compared."""
    return poisson_of_means if loss == "poisson" else training_loss(loss)


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Returns (y - t)^2 for outputs y (N, 1) and targets t (N,)."""
    return functional.mse_loss(outputs.squeeze(1), targets, reduction=reduction)


def poisson(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Returns half the deviance, exp(y) - t y + t log t - t, which is 0 at best. Outputs y (N, 1) are logs of means."""
    logs = outputs.squeeze(1)
    # `xlogy` is 0 at t = 0, where t log t would be nan.
    rows = logs.exp() - targets * logs + torch.xlogy(targets, targets) - targets
    return rows.mean() if reduction == "mean" else rows


def poisson_of_means(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Returns m - t log m + t log t - t for outputs m (N, 1), which are the means themselves."""
    means = outputs.squeeze(1)
    rows = means - torch.xlogy(targets, means) + torch.xlogy(targets, targets) - targets
    return rows.mean() if reduction == "mean" else rows


def binary_cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float = 0.0, reduction: str = "mean") -> Tensor:
    """Returns log(1 + exp(y)) - t y for outputs y (N, 1), with t = (1 - epsilon) class + epsilon/2."""
    soft = targets.to(outputs.dtype) * (1 - epsilon) + epsilon / 2
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), soft, reduction=reduction)


def weighted_cross_entropy(
    outputs: Tensor, targets: Tensor, *, weights: Tensor, epsilon: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Returns sum_ic w_c q_ic (-log p_ic) / sum_ic w_c t_ic for labels t, which are class numbers or shares (N, k), and
    q = (1 - epsilon) t + epsilon/k. torch divides by the number of rows instead if labels are shares."""
    rows = functional.cross_entropy(outputs, targets, weight=weights, label_smoothing=epsilon, reduction="none")
    if reduction == "none":
        return rows
    total = targets @ weights if targets.is_floating_point() else weights[targets]
    return rows.sum() / total.sum()


def weighted_binary_cross_entropy(
    outputs: Tensor, targets: Tensor, *, weights: Tensor, epsilon: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Returns the same for outputs (N, 1) and the shares (N,) of class 1: `weighted_cross_entropy` of the logits 0 and
    y."""
    logits = outputs.squeeze(1)
    share = targets.to(outputs.dtype)
    soft = share * (1 - epsilon) + epsilon / 2
    rows = weights[1] * soft * functional.softplus(-logits) + weights[0] * (1 - soft) * functional.softplus(logits)
    if reduction == "none":
        return rows
    return rows.sum() / (weights[1] * share + weights[0] * (1 - share)).sum()


def spread_over_all(smoothing: LabelSmoothing, *, classes: int) -> float:
    """Returns the epsilon of smoothing over all k classes, as in torch. If epsilon is spread over the wrong classes,
    this is epsilon k/(k - 1)."""
    epsilon = smoothing.epsilon
    return epsilon * classes / (classes - 1) if smoothing.spread == "wrong_classes" else epsilon
