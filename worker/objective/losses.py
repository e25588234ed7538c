"""Objectives in torch."""

from functools import partial
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional

from bakehouse.recipe.objective import LabelSmoothing, Loss
from worker.types import Objective


def objective(loss: Loss, smoothing: LabelSmoothing | None = None) -> Objective:
    """What a training step lowers: the mean over the batch, without penalties."""
    match loss:
        case "squared_error":
            return squared_error
        case "poisson":
            return poisson
        case "binary_cross_entropy":
            if smoothing is None:
                return binary_cross_entropy
            return partial(binary_cross_entropy, epsilon=over_all_classes(smoothing, classes=2))
        case "cross_entropy":
            if smoothing is None:
                return functional.cross_entropy
            return partial(smoothed_cross_entropy, smoothing=smoothing)
        case _:
            assert_never(loss)


def clean_objective(loss: Loss) -> Objective:
    """What validation measures: the same loss without smoothing, so that recipes can be compared, of what the whole
    model answers."""
    return poisson_of_means if loss == "poisson" else objective(loss)


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """mean (y - t)^2 of outputs (N, 1) and targets (N,)."""
    return functional.mse_loss(outputs.squeeze(1), targets, reduction=reduction)


def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    """mean of exp(y) - t y + t log t - t, of outputs (N, 1) that are logs of means: half the deviance, 0 at best."""
    return poisson_by_row(outputs, targets).mean()


def poisson_by_row(outputs: Tensor, targets: Tensor) -> Tensor:
    """Without the mean."""
    logs = outputs.squeeze(1)
    return logs.exp() - targets * logs + torch.xlogy(targets, targets) - targets


def poisson_of_means(outputs: Tensor, targets: Tensor) -> Tensor:
    """The same of the means themselves."""
    return poisson_of_means_by_row(outputs, targets).mean()


def poisson_of_means_by_row(outputs: Tensor, targets: Tensor) -> Tensor:
    """Without the mean."""
    means = outputs.squeeze(1)
    return means - torch.xlogy(targets, means) + torch.xlogy(targets, targets) - targets


def binary_cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float = 0.0, reduction: str = "mean") -> Tensor:
    """mean of log(1 + exp(y)) - t y of outputs (N, 1), with t = (1 - epsilon) class + epsilon/2."""
    soft = targets.to(outputs.dtype) * (1 - epsilon) + epsilon / 2
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), soft, reduction=reduction)


def smoothed_cross_entropy(outputs: Tensor, targets: Tensor, *, smoothing: LabelSmoothing) -> Tensor:
    """Cross-entropy with soft targets."""
    epsilon = over_all_classes(smoothing, classes=outputs.shape[1])
    return functional.cross_entropy(outputs, targets, label_smoothing=epsilon)


def over_all_classes(smoothing: LabelSmoothing, *, classes: int) -> float:
    """epsilon/(k - 1) on the wrong classes is epsilon k/(k - 1) spread over all, which is torch's form."""
    epsilon = smoothing.epsilon
    return epsilon * classes / (classes - 1) if smoothing.spread == "wrong_classes" else epsilon
