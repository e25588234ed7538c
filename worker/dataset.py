"""The data of a run as tensors on its device, and the statistics that are fitted on the training split."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakehouse.data.loading import Arrays, load
from bakehouse.data.splits import split_rows
from bakehouse.plan.plan import Plan
from bakehouse.recipe.problems import Problem, RecipeInvalid

Floats = NDArray[np.float64]
CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Split:
    """Rows of one split: inputs (N, ...) in stored units, targets (N,) as class numbers or in the data's units."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Data:
    """Everything that a run reads."""

    train: Split
    validation: Split
    test: Split
    shift: Tensor
    scale: Tensor
    """Normalised inputs are (x - shift) * scale."""
    target_mean: float
    target_std: float
    """Of the training targets for squared error, else 0 and 1."""

    def standardized(self, targets: Tensor) -> Tensor:
        """Targets as the loss sees them."""
        return targets if targets.dtype == torch.int64 else (targets - self.target_mean) / self.target_std


def load_data(plan: Plan, folder: Path, device: torch.device) -> Data:
    """Splits a packed set as the plan says and puts it on the device."""
    dataset = plan.recipe.dataset
    arrays = load(folder, target=dataset.target, task=plan.data.task)
    splits = cut(plan, arrays)
    statistics = normalization(plan, splits[0][0])
    train, validation, test = (on_device(x, y, device) for x, y in splits)
    if plan.recipe.objective.loss == "poisson":
        refuse_negative(plan, arrays)
    mean, std = target_statistics(splits[0][1]) if plan.recipe.objective.loss == "squared_error" else (0.0, 1.0)
    shift, scale = (torch.from_numpy(array.astype(np.float32)).to(device) for array in statistics)
    return Data(train, validation, test, shift, scale, mean, std)


def cut(plan: Plan, arrays: Arrays) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """Inputs and targets of train, validation and test: the set's own splits or rows of its one array."""
    dataset = plan.recipe.dataset
    rows = split_rows(
        arrays.y,
        plan.card.counts,
        task=plan.data.task,
        validation_fraction=dataset.validation_fraction,
        seed=dataset.split_seed,
    )
    own = [(None, None), (arrays.x_validation, arrays.y_validation), (arrays.x_test, arrays.y_test)]
    cut = [rows.train, rows.validation, rows.test]
    return [
        (arrays.x[taken], arrays.y[taken]) if x is None or y is None else (x, y)
        for taken, (x, y) in zip(cut, own, strict=True)
    ]


def on_device(inputs: NDArray[np.generic], targets: NDArray[np.generic], device: torch.device) -> Split:
    """Arrays as tensors; a copy, since mapped files are read-only."""
    return Split(torch.tensor(inputs, device=device), torch.tensor(targets, device=device))


def normalization(plan: Plan, inputs: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Shift and scale for each feature or channel, from the training rows. A constant feature becomes 0."""
    match plan.recipe.dataset.normalization:
        case "none":
            shape = plan.root.children[0][1].input
            statistics = (shape[0], *([1] * (len(shape) - 1)))
            return np.zeros(statistics), np.ones(statistics)
        case "standardize":
            mean = mean_power(inputs, power=1)
            std = np.sqrt(mean_power(inputs, power=2, about=mean))
            # A column of 0.1 has a std of rounding size, which must not be divided by.
            is_constant = std <= 1e-6 * np.maximum(np.abs(mean), 1e-12)
            return mean, np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, std))
        case "min_max":
            axes = reduced_axes(inputs)
            low = inputs.min(axis=axes, keepdims=True)[0].astype(np.float64)
            extent = inputs.max(axis=axes, keepdims=True)[0] - low
            return low, np.where(extent == 0, 0.0, 1 / np.where(extent == 0, 1.0, extent))
        case _:
            assert_never(plan.recipe.dataset.normalization)


def mean_power(inputs: NDArray[np.generic], *, power: int, about: Floats | float = 0.0) -> Floats:
    """Mean of (x - about)^power over rows (and pixels), chunk by chunk: no float64 copy of the whole set."""
    axes = reduced_axes(inputs)
    chunks = (inputs[start : start + CHUNK_ROWS].astype(np.float64) for start in range(0, len(inputs), CHUNK_ROWS))
    total = sum(((chunk - about) ** power).sum(axis=axes, keepdims=True)[0] for chunk in chunks)
    return np.asarray(total / (inputs.size / np.asarray(total).size))


def reduced_axes(inputs: NDArray[np.generic]) -> tuple[int, ...]:
    """Rows; for images height and width too, so that one number a channel is left."""
    return (0,) if inputs.ndim == 2 else (0, 2, 3)


def refuse_negative(plan: Plan, arrays: Arrays) -> None:
    """Cards do not tell the least target of a set without named columns."""
    splits = (arrays.y, arrays.y_validation, arrays.y_test)
    least = min(float(targets.min()) for targets in splits if targets is not None)
    if least < 0:
        message = f"poisson is for numbers from 0 up, and the targets of {plan.card.id} go down to {least:g}"
        raise RecipeInvalid([Problem(pointer="/objective/loss", code="conflict", message=message)])


def target_statistics(targets: NDArray[np.generic]) -> tuple[float, float]:
    """Mean and biased standard deviation; 1 for constant targets."""
    values = targets.astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0
