"""Objectives in torch."""

from functools import partial
from typing import assert_never

from torch import Tensor
from torch.nn import functional

from bakehouse.recipe.objective import Objective as ObjectiveSpec
from worker.types import Objective


def objective(spec: ObjectiveSpec) -> Objective:
    """What a training step lowers: the mean over the batch, without penalties."""
    smoothing = spec.label_smoothing
    match spec.loss:
        case "squared_error":
            return squared_error
        case "cross_entropy":
            if smoothing is None:
                return functional.cross_entropy
            return partial(smoothed_cross_entropy, epsilon=smoothing.epsilon, spread=smoothing.spread)
        case None:
            raise AssertionError("a canonical recipe names its loss")
        case _:
            assert_never(spec.loss)


def clean_objective(spec: ObjectiveSpec) -> Objective:
    """What validation measures: the same loss without smoothing, so that recipes can be compared."""
    return objective(spec.model_copy(update={"label_smoothing": None}))


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """mean (y - t)^2 of outputs (N, 1) and targets (N,)."""
    return functional.mse_loss(outputs.squeeze(1), targets)


def smoothed_cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float, spread: str) -> Tensor:
    """Cross-entropy with soft targets; epsilon/(k-1) on the wrong classes is torch's form with
    epsilon k/(k-1)."""
    classes = outputs.shape[1]
    torch_epsilon = epsilon * classes / (classes - 1) if spread == "wrong_classes" else epsilon
    return functional.cross_entropy(outputs, targets, label_smoothing=torch_epsilon)
