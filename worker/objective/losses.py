"""The losses of targets in torch: what training lowers, and what validation measures."""

from functools import partial
from typing import Protocol, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from bakehouse.recipe.objective import LabelSmoothing, Loss


class LossFunction(Protocol):
    """(outputs (N, outputs of the target), targets (N,)) -> the mean loss, or with `reduction="none"` each row's."""

    def __call__(self, outputs: Tensor, targets: Tensor, /, *, reduction: str = "mean") -> Tensor: ...


def training_loss(loss: Loss, *, epsilon: float = 0.0) -> LossFunction:
    """The loss that a step lowers, of standardised numbers or of the log of a mean. `epsilon` is the share of label
    smoothing that is spread over all classes."""
    match loss:
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
    """The loss that validation measures, of the whole model's outputs. It has no smoothing, so that recipes can be
    compared."""
    return poisson_of_means if loss == "poisson" else training_loss(loss)


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """(y - t)^2 of outputs (N, 1) and targets (N,)."""
    return functional.mse_loss(outputs.squeeze(1), targets, reduction=reduction)


def poisson(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """exp(y) - t y + t log t - t, of outputs (N, 1) that are logs of means: half the deviance, 0 at best."""
    logs = outputs.squeeze(1)
    rows = logs.exp() - targets * logs + torch.xlogy(targets, targets) - targets
    return rows.mean() if reduction == "mean" else rows


def poisson_of_means(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """m - t log m + t log t - t, of outputs (N, 1) that are the means m themselves."""
    means = outputs.squeeze(1)
    rows = means - torch.xlogy(targets, means) + torch.xlogy(targets, targets) - targets
    return rows.mean() if reduction == "mean" else rows


def binary_cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float = 0.0, reduction: str = "mean") -> Tensor:
    """log(1 + exp(y)) - t y of outputs (N, 1), with t = (1 - epsilon) class + epsilon/2."""
    soft = targets.to(outputs.dtype) * (1 - epsilon) + epsilon / 2
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), soft, reduction=reduction)


def spread_over_all(smoothing: LabelSmoothing, *, classes: int) -> float:
    """epsilon/(k - 1) on the wrong classes is epsilon k/(k - 1) spread over all, which is torch's form."""
    epsilon = smoothing.epsilon
    return epsilon * classes / (classes - 1) if smoothing.spread == "wrong_classes" else epsilon
