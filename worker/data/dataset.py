"""The data of a run as tensors on its device, and the statistics that are fitted on the training split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakehouse.data.loading import Arrays, load
from bakehouse.data.precision import is_rounding
from bakehouse.data.splits import split_rows, strata
from bakehouse.plan.layers import Normalize
from bakehouse.plan.plan import Plan
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.problems import Problem, RecipeInvalid
from worker.seeds import Seeds
from worker.types import Batch
from worker.whitening import whitening

Floats = NDArray[np.float64]
CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Split:
    """Rows of one split: inputs (N, ...) in stored units, targets (N,) as class numbers or in the data's units. Of
    several targets (N, targets), all as floats, nan where a label is missing."""

    inputs: Tensor
    targets: Tensor

    def batches(self, rows: int) -> Iterator[Batch]:
        """Of at most so many rows, in their order."""
        return zip(torch.split(self.inputs, rows), torch.split(self.targets, rows), strict=True)


@dataclass(frozen=True)
class TargetUnits:
    """Mean and standard deviation of each of several targets."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Data:
    """Everything that a run reads."""

    train: Split
    validation: Split
    test: Split
    shift: Tensor
    scale: Tensor
    """Normalised inputs are (x - shift) * scale; in float64 where the inputs are."""
    target_mean: float
    target_std: float
    """Of the training targets for squared error, else 0 and 1."""
    units: TargetUnits | None = None
    """Of several targets, in place of the two."""
    matrix: Tensor | None = None
    """What normalised inputs are multiplied by, where they are whitened."""

    def standardized(self, targets: Tensor) -> Tensor:
        """Targets as the loss sees them."""
        if self.units is not None:
            return ((targets - self.units.mean) / self.units.std).float()
        return targets if targets.dtype == torch.int64 else ((targets - self.target_mean) / self.target_std).float()


def load_data(plan: Plan, folder: Path, device: torch.device) -> Data:
    """Splits a packed set as the plan says and puts it on the device."""
    dataset = plan.recipe.dataset
    tasks = tuple((target.name, target.task) for target in plan.data.tasks)
    arrays = load(folder, target=dataset.target, task=plan.data.task, tasks=tasks)
    splits = cut(plan, arrays)
    if tasks:
        refuse_unlabelled(plan, [targets for _, targets in splits])
    statistics = normalization(plan, splits[0][0])
    train, validation, test = (on_device(x, y, device) for x, y in splits)
    if plan.recipe.objective.loss == "poisson":
        refuse_negative(plan, arrays)
    units = fitted_units(plan, splits[0][1], device) if tasks else None
    is_standardized = plan.recipe.objective.loss == "squared_error" and not tasks
    mean, std = target_statistics(splits[0][1]) if is_standardized else (0.0, 1.0)
    precision = np.float64 if plan.data.is_double else np.float32
    shift, scale = (torch.from_numpy(array.astype(precision)).to(device) for array in statistics)
    matrix = whitening_matrix(plan, splits[0][0], statistics, device)
    return Data(train, validation, test, shift, scale, mean, std, units, matrix)


def whitening_matrix(
    plan: Plan, inputs: NDArray[np.generic], statistics: tuple[Floats, Floats], device: torch.device
) -> Tensor | None:
    """None where inputs are not whitened, or with the matrix of another run, which is taken over later."""
    epsilon = plan.recipe.dataset.whitening_epsilon
    if epsilon is None or isinstance(plan.recipe.pretraining, Transfer):
        return None
    return whitening(inputs, *statistics, epsilon=epsilon).float().to(device)


def fitted_units(plan: Plan, targets: NDArray[np.generic], device: torch.device) -> TargetUnits:
    """Of each target's labels for squared error, else 0 and 1."""
    columns = [column[~np.isnan(column)] for column in targets.astype(np.float64).T]
    pairs = [
        target_statistics(column) if head.loss == "squared_error" else (0.0, 1.0)
        for head, column in zip(plan.heads, columns, strict=True)
    ]
    precision = torch.float64 if targets.dtype == np.float64 else torch.float32
    mean, std = (torch.tensor(values, dtype=precision, device=device) for values in zip(*pairs, strict=True))
    return TargetUnits(mean, std)


def refuse_unlabelled(plan: Plan, splits: list[NDArray[np.generic]]) -> None:
    """Cards do not tell where the labels of a target that is rarely known come to lie."""
    problems = [
        Problem(
            pointer=f"/objective/tasks/{place - 1}/target" if place else "/dataset/target",
            code="target",
            message=f"none of the {len(targets):,} {split} rows has a label of {head.label}; another split_seed, "
            f"{'another seed, ' if plan.recipe.dataset.bootstrap else ''}or more rows in that split, may help",
        )
        for split, targets in zip(("training", "validation", "test"), splits, strict=True)
        for place, head in enumerate(plan.heads)
        if np.isnan(targets[:, place].astype(np.float32)).all()
    ]
    if problems:
        raise RecipeInvalid(problems)


def cut(plan: Plan, arrays: Arrays) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """Inputs and targets of train, validation and test: the set's own splits or rows of its one array."""
    dataset = plan.recipe.dataset
    rows = split_rows(
        strata(arrays.y, plan.data.task),
        plan.card.counts,
        task=plan.data.task,
        validation_fraction=dataset.validation_fraction,
        seed=dataset.split_seed,
    )
    own = [(None, None), (arrays.x_validation, arrays.y_validation), (arrays.x_test, arrays.y_test)]
    train = bootstrapped(rows.train, plan.recipe.seed) if dataset.bootstrap else rows.train
    cut = [train, rows.validation, rows.test]
    return [
        (arrays.x[taken], arrays.y[taken]) if x is None or y is None else (x, y)
        for taken, (x, y) in zip(cut, own, strict=True)
    ]


def bootstrapped(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """As many rows, drawn with replacement, in rising order."""
    generator = torch.Generator().manual_seed(Seeds(seed, "bootstrap").at(0))
    drawn = torch.randint(len(rows), (len(rows),), generator=generator).numpy()
    return np.sort(rows[drawn])


def on_device(inputs: NDArray[np.generic], targets: NDArray[np.generic], device: torch.device) -> Split:
    """Arrays as tensors; a copy, since mapped files are read-only."""
    return Split(torch.tensor(inputs, device=device), torch.tensor(targets, device=device))


def normalization(plan: Plan, inputs: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Shift and scale for each feature or channel, from the training rows. A constant feature becomes 0."""
    match plan.recipe.dataset.normalization:
        case "none":
            statistics = Normalize(plan.data.shape).statistics
            return np.zeros(statistics), np.ones(statistics)
        case "standardize":
            mean, variance = moments(inputs)
            return mean, inverse(mean, variance, inputs.dtype)
        case "whiten" if inputs.ndim == 4:
            # Each pixel about its own mean, in the units of its channel.
            mean, variance = (each.reshape(inputs.shape[1:]) for each in moments(inputs.reshape(len(inputs), -1)))
            level, spread = (each.mean((1, 2), keepdims=True) for each in (np.abs(mean), variance))
            return mean, np.broadcast_to(inverse(level, spread, inputs.dtype), mean.shape)
        case "whiten":
            mean, variance = moments(inputs)
            return mean, inverse(mean, variance, inputs.dtype)
        case "min_max":
            axes = reduced_axes(inputs)
            low = inputs.min(axis=axes, keepdims=True)[0].astype(np.float64)
            extent = inputs.max(axis=axes, keepdims=True)[0] - low
            return low, np.where(extent == 0, 0.0, 1 / np.where(extent == 0, 1.0, extent))
        case _:
            assert_never(plan.recipe.dataset.normalization)


def moments(inputs: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Mean and biased variance of each feature or channel."""
    mean = mean_power(inputs, power=1)
    if inputs.dtype == np.float64:
        # A sum of many large numbers has lost digits that the differences between them have.
        mean = mean + mean_power(inputs, power=1, about=mean)
    return mean, mean_power(inputs, power=2, about=mean)


def inverse(mean: Floats, variance: Floats, dtype: np.dtype[Any]) -> Floats:
    """1 / std; 0 for a column of 0.1, say, which has a std of rounding size that must not be divided by."""
    std = np.sqrt(variance)
    is_constant = is_rounding(mean, std, dtype)
    return np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, std))


def mean_power(inputs: NDArray[np.generic], *, power: int, about: Floats | float = 0.0) -> Floats:
    """Mean of (x - about)^power over rows (and pixels), chunk by chunk: no float64 copy of the whole set."""
    axes = reduced_axes(inputs)
    chunks = (inputs[start : start + CHUNK_ROWS].astype(np.float64) for start in range(0, len(inputs), CHUNK_ROWS))
    total = sum(((chunk - about) ** power).sum(axis=axes, keepdims=True)[0] for chunk in chunks)
    return np.asarray(total / (inputs.size / np.asarray(total).size))


def reduced_axes(inputs: NDArray[np.generic]) -> tuple[int, ...]:
    """Rows; for sequences steps too, for images height and width, so that one number a channel is left."""
    return {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[inputs.ndim]


def refuse_negative(plan: Plan, arrays: Arrays) -> None:
    """Cards do not tell the least target of a set without named columns."""
    splits = (arrays.y, arrays.y_validation, arrays.y_test)
    # Of several targets, the set's own is the first column.
    own = [targets if targets.ndim == 1 else targets[:, 0] for targets in splits if targets is not None]
    least = min(float(np.nanmin(targets)) for targets in own)
    if least < 0:
        message = f"poisson is for numbers from 0 up, and the targets of {plan.card.id} go down to {least:g}"
        raise RecipeInvalid([Problem(pointer="/objective/loss", code="conflict", message=message)])


def target_statistics(targets: NDArray[np.generic]) -> tuple[float, float]:
    """Mean and biased standard deviation; 1 for constant targets."""
    values = targets.astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0
