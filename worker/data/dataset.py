"""Loads the data of a run as tensors on its device, and fits statistics on the training split."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakehouse.data.errors import DatasetChanged
from bakehouse.data.loading import Arrays, load
from bakehouse.data.photographs import Photographs
from bakehouse.data.precision import is_rounding
from bakehouse.data.splits import split_as_planned
from bakehouse.plan.data_bytes import stays_on_disk
from bakehouse.plan.layers import Normalize
from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import ResolvedData, target_pointer
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.problems import Problem, RecipeInvalid
from worker.data.columns import fit_columns
from worker.data.rows import MappedRows, Rows, StoredRows, columns_of, flatten_rows, split_rows, take
from worker.data.whitening import whitening
from worker.seeds import Seeds
from worker.types import Batch

Floats = NDArray[np.float64]
CHUNK_ROWS = 8192
BLOCK_NUMBERS = 1 << 20
"""Count of numbers that are converted to float64 at once, which then take 8 MiB."""
SINGLE_COLUMN_NUMBERS = 8 << 20
"""The same for a single column: 8,192 grey images of 32 x 32 pixels."""


@dataclass(frozen=True)
class Split:
    """The rows of a split: inputs (N, ...) in stored units, and targets (N,) as class numbers or in the data's units.
    Several targets are floats (N, targets), with nan where a label is missing."""

    source: Rows
    """The inputs, which may stay on disk."""
    targets: Tensor
    photographs: Photographs | None = None
    """The pictures at their own sizes, in the order of the rows, if the recipe keeps these. `inputs` has the window of
    each that all measurements but those of several crops use."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def device(self) -> torch.device:
        """The device of batches."""
        return self.targets.device

    @property
    def inputs(self) -> Tensor:
        """All inputs in one tensor, which is a copy if they are on disk."""
        return self.source if isinstance(self.source, Tensor) else self.source.tensor(self.device)

    def take(self, rows: Tensor) -> Tensor:
        """Copies the inputs of some rows."""
        return take(self.source, rows)

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yields batches of at most `rows` rows, in the order of the split."""
        return zip(split_rows(self.source, rows), torch.split(self.targets, rows), strict=True)


@dataclass(frozen=True)
class Unit:
    """The mean and standard deviation that standardise a target; 0 and 1 unless the loss is the squared error."""

    mean: float = 0.0
    std: float = 1.0

    @property
    def variance(self) -> float:
        """The factor that converts a squared error of standardised numbers to the data's units."""
        return self.std**2


@dataclass(frozen=True)
class Data:
    """The splits of a run's data, and the statistics of the training split."""

    train: Split
    validation: Split
    test: Split
    shift: Tensor
    scale: Tensor
    """The scale of normalised inputs, which are (x - shift) * scale. Both have float64 if the inputs are kept in it."""
    units: tuple[Unit, ...]
    """Mean and standard deviation of each target, fitted on the labels of the training split."""
    matrix: Tensor | None = None
    """The whitening matrix by which normalised inputs are multiplied, if the recipe whitens them."""
    fill: Tensor | None = None
    """The numbers that empty cells become, if columns are encoded."""

    @property
    def loss_scale(self) -> float:
        """The factor that converts a step's objective to `validation_loss`. The loss of a single target is in the
        target's units; with several targets, the loss is a weighted sum over standardised numbers."""
        return self.units[0].variance if len(self.units) == 1 else 1.0

    def standardized(self, targets: Tensor) -> Tensor:
        """Returns the targets in the units of the loss; class numbers stay as they are."""
        if not targets.is_floating_point():
            return targets
        columns = [(column(targets, index) - unit.mean) / unit.std for index, unit in enumerate(self.units)]
        return torch.stack(columns, 1).float().reshape(targets.shape)


def column(targets: Tensor, index: int) -> Tensor:
    """Returns the labels of one target, from the vector of a single target or the matrix of several."""
    return targets.reshape(len(targets), -1)[:, index]


def load_data(plan: Plan, folder: Path, device: torch.device) -> Data:
    """Opens a packed data set and splits it as planned. A large one stays on disk, unless it fits a GPU."""
    try:
        arrays = load(folder, plan.data)
        splits = read_splits(plan, arrays)
    except FileNotFoundError as error:
        # The packed data of other files has replaced it since the folder was found.
        raise DatasetChanged(plan.card.id) from error
    targets = [split.targets.numpy() for split in splits]
    refuse_unlabelled(plan, targets)
    refuse_single_class(plan, targets[1])
    if plan.loss == "poisson":
        refuse_negative(plan, (arrays.y, arrays.y_validation, arrays.y_test))
    source = splits[0].source
    inputs = source.numpy() if isinstance(source, Tensor) else source
    if plan.data.steps is not None or plan.data.lengths is not None:
        inputs = real_steps(np.asarray(inputs), plan.data)
    statistics, fill = fit_inputs(plan, inputs)
    units = fit_units(plan, targets[0])
    precision = np.float64 if plan.data.is_double else np.float32
    shift, scale = (torch.from_numpy(array.astype(precision)).to(device) for array in statistics)
    filling = None if fill is None else torch.from_numpy(fill).to(device)
    matrix = whitening_matrix(plan, inputs, statistics, fill, device)
    train, validation, test = place(splits, device, plan.estimate.memory_bytes)
    return Data(train, validation, test, shift, scale, units, matrix, filling)


def real_steps(sequences: NDArray[np.generic], data: ResolvedData) -> NDArray[np.generic]:
    """Returns the steps of sequences without their padding: those that are encoded as the rows of a table, and those of
    other ragged sequences each as a sequence of one step."""
    if data.encoding is not None:
        rows = sequences.reshape(-1, sequences.shape[2])
        return np.asarray(rows[~np.isinf(rows[:, 0].astype(np.float64))])
    if data.lengths is None:
        return sequences
    is_real = ~np.isnan(sequences[:, :, 0].astype(np.float64))
    return np.asarray(sequences[is_real][:, None])


def place(splits: Sequence[Split], device: torch.device, needed: int) -> Iterator[Split]:
    """Yields the splits with their tensors on the device. Rows on disk are copied to a GPU if they leave free the bytes
    that the run needs besides; otherwise their batches are."""
    mapped = [split.source for split in splits if not isinstance(split.source, Tensor)]
    size = sum(rows.size * rows.dtype.itemsize for rows in mapped)
    fits = device.type == "cuda" and size + needed <= torch.cuda.mem_get_info(device)[0]
    for split in splits:
        source = split.source
        if isinstance(source, Tensor):
            placed: Rows = source.to(device)
        else:
            placed = source.tensor(device) if fits else replace(source, device=device)
        yield Split(placed, split.targets.to(device), split.photographs)


def whitening_matrix(
    plan: Plan,
    inputs: StoredRows,
    statistics: tuple[Floats, Floats],
    fill: Floats | None,
    device: torch.device,
) -> Tensor | None:
    """Returns the matrix fitted on the training rows; None without whitening, or if another run's matrix is used. Of
    encoded columns, it mixes the numbers, which come first, and leaves all other features as they are."""
    epsilon = plan.recipe.dataset.whitening_epsilon
    if epsilon is None or isinstance(plan.recipe.pretraining, Transfer):
        return None
    encoding = plan.data.encoding
    if encoding is None:
        return whitening(inputs, *statistics, epsilon=epsilon).float().to(device)
    assert fill is not None, "columns that are encoded have values for empty cells"
    numbers = columns_of(inputs, encoding.numbers)
    shift, scale = (each[: len(fill)] for each in statistics)
    matrix = torch.eye(encoding.width)
    found = whitening(np.where(np.isnan(numbers), fill, numbers), shift, scale, epsilon=epsilon)
    matrix[: len(fill), : len(fill)] = found.float()
    return matrix.to(device)


def fit_units(plan: Plan, targets: NDArray[np.generic]) -> tuple[Unit, ...]:
    """Fits the units of squared errors on the labels of the training rows."""
    units = []
    for target, labels in zip(plan.targets, targets.reshape(len(targets), -1).T, strict=True):
        unit = fit_unit(labels) if target.loss == "squared_error" else Unit()
        # The unit of a single target keeps 64 bits; those of several targets are rounded to the type of their tensor.
        units.append(unit if target.is_alone else rounded(unit, targets.dtype))
    return tuple(units)


def fit_unit(labels: NDArray[np.generic]) -> Unit:
    """Returns the mean and the biased standard deviation of the known labels; the latter is 1 if all are equal."""
    values = labels.astype(np.float64)
    values = values[~np.isnan(values)]
    return Unit(float(values.mean()), float(values.std()) or 1.0)


def rounded(unit: Unit, dtype: np.dtype[Any]) -> Unit:
    return Unit(float(dtype.type(unit.mean)), float(dtype.type(unit.std)))


def refuse_unlabelled(plan: Plan, splits: list[NDArray[np.generic]]) -> None:
    """Refuses a split without any label of a target; the card counts labels, but not in each split."""
    problems = []
    for target in plan.targets:
        for split, targets in zip(("training", "validation", "test"), splits, strict=True):
            labels = targets.reshape(len(targets), -1)[:, target.index]
            if np.isnan(labels.astype(np.float32)).all():
                message = (
                    f"none of the {len(labels):,} {split} rows has a label of {target.label}; another split_seed, "
                )
                message += (
                    f"{'another seed, ' if plan.recipe.dataset.bootstrap else ''}or more rows in that split, may help"
                )
                problems.append(Problem(pointer=target_pointer(target.index), code="target", message=message))
    if problems:
        raise RecipeInvalid(problems)


def refuse_single_class(plan: Plan, targets: NDArray[np.generic]) -> None:
    """Refuses to monitor the AUROC of validation rows that all have one class, for which it is not defined."""
    for target in plan.targets:
        labels = targets.reshape(len(targets), -1)[:, target.index].astype(np.float64)
        is_monitored = plan.recipe.evaluation.monitor == f"validation_{target.prefix}auroc"
        if is_monitored and len(np.unique(labels[~np.isnan(labels)])) == 1:
            message = f"all validation rows with a label of {target.label} have one class, so that they have no auroc; "
            message += "another split_seed, or more rows for validation, may help"
            raise RecipeInvalid([Problem(pointer="/evaluation/monitor", code="conflict", message=message)])


def read_splits(plan: Plan, arrays: Arrays) -> list[Split]:
    """Returns train, validation and test: rows of the data set's main array, or its own arrays for these splits. Small
    arrays are copied to tensors; of large ones only the numbers of the rows are held."""
    rows = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
    # The bootstrap follows the run's seed, so that runs with one split_seed can draw different rows.
    train = bootstrapped(rows.train, plan.recipe.seed) if plan.recipe.dataset.bootstrap else rows.train
    kept = arrays.photographs
    parts = (
        ("", arrays.x, arrays.y, train),
        ("_validation", arrays.x_validation, arrays.y_validation, rows.validation),
        ("_test", arrays.x_test, arrays.y_test, rows.test),
    )
    is_mapped = stays_on_disk(plan.card, plan.data, sum(plan.sizes))
    splits = []
    for suffix, own, labels, chosen in parts:
        x, y = (arrays.x, arrays.y) if own is None or labels is None else (own, labels)
        targets = torch.tensor(y[chosen])
        source = MappedRows(x, chosen, x.row_shape, targets.device)
        photographs = kept.get("" if own is None else suffix)
        photographs = None if photographs is None else photographs.take(chosen)
        splits.append(Split(source if is_mapped else source.tensor(targets.device), targets, photographs))
    return splits


def bootstrapped(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draws as many rows as there are, with replacement; returns them in ascending order."""
    generator = torch.Generator().manual_seed(Seeds(seed, "bootstrap").at(0))
    drawn = torch.randint(len(rows), (len(rows),), generator=generator).numpy()
    return np.sort(rows[drawn])


def fit_inputs(plan: Plan, inputs: StoredRows) -> tuple[tuple[Floats, Floats], Floats | None]:
    """Fits shift and scale on the training rows and, if columns are encoded, the numbers that empty cells become."""
    if plan.data.encoding is None:
        return normalization(plan, inputs), None
    fill, shift, scale = fit_columns(plan.data.encoding, inputs, plan.recipe.dataset)
    return (shift, scale), fill


def normalization(plan: Plan, inputs: StoredRows) -> tuple[Floats, Floats]:
    """Fits the shift and scale of each feature or channel on the training rows. A constant feature becomes 0."""
    match plan.recipe.dataset.normalization:
        case "none":
            statistics = Normalize(plan.data.shape).statistics
            return np.zeros(statistics), np.ones(statistics)
        case "standardize":
            mean, variance = moments(inputs)
            return mean, inverse_std(mean, variance, inputs.dtype)
        case "whiten" if inputs.ndim == 4:
            # Each pixel is centred on its own mean, and scaled like all pixels of its channel.
            mean, variance = (each.reshape(inputs.shape[1:]) for each in moments(flatten_rows(inputs)))
            level, spread = (each.mean((1, 2), keepdims=True) for each in (np.abs(mean), variance))
            return mean, np.broadcast_to(inverse_std(level, spread, inputs.dtype), mean.shape)
        case "whiten":
            mean, variance = moments(inputs)
            return mean, inverse_std(mean, variance, inputs.dtype)
        case "min_max":
            low, high = extremes(inputs)
            extent = high - low
            return low, np.where(extent == 0, 0.0, 1 / np.where(extent == 0, 1.0, extent))
        case _:
            assert_never(plan.recipe.dataset.normalization)


def extremes(inputs: StoredRows) -> tuple[Floats, Floats]:
    """Returns the least and the largest number of each feature or channel, in blocks, to read few rows at a time."""
    step = max(1, BLOCK_NUMBERS // prod(inputs.shape[1:]))
    blocks = (np.asarray(inputs[start : start + step]) for start in range(0, len(inputs), step))
    axes = reduced_axes(inputs)
    found = [(block.min(axis=axes, keepdims=True)[0], block.max(axis=axes, keepdims=True)[0]) for block in blocks]
    lows, highs = zip(*found, strict=True)
    return np.min(lows, axis=0).astype(np.float64), np.max(highs, axis=0).astype(np.float64)


def moments(inputs: StoredRows) -> tuple[Floats, Floats]:
    """Returns the mean and the biased variance of each feature or channel."""
    mean = mean_power(inputs, power=1)
    if inputs.dtype == np.float64:
        # A sum of many large numbers has lost digits; the mean of the differences from the first result restores them.
        mean = mean + mean_power(inputs, power=1, about=mean)
    return mean, mean_power(inputs, power=2, about=mean)


def inverse_std(mean: Floats, variance: Floats, dtype: np.dtype[Any]) -> Floats:
    """Returns 1 / std, or 0 for a constant feature, such as a column of 0.1, whose std is nothing but rounding."""
    std = np.sqrt(variance)
    is_constant = is_rounding(mean, std, dtype)
    return np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, std))


def mean_power(inputs: StoredRows, *, power: Literal[1, 2], about: Floats | float = 0.0) -> Floats:
    """Returns the mean of (x - about)^power over `reduced_axes`."""
    chunks = (inputs[start : start + CHUNK_ROWS] for start in range(0, len(inputs), CHUNK_ROWS))
    total = sum(power_sum(chunk, power=power, about=about) for chunk in chunks)
    return np.asarray(total / (inputs.size / np.asarray(total).size))


def power_sum(rows: StoredRows, *, power: Literal[1, 2], about: Floats | float) -> Floats:
    """Returns the sum of (x - about)^power over `reduced_axes`, in blocks, to avoid a float64 copy of all rows.

    NumPy adds the rows of several columns one after the other, so that the blocks do not change a bit. The numbers of a
    single column are added in pairs, and are only divided into blocks if they are many.
    """
    total = None
    columns = rows.shape[1] if rows.ndim == 4 else rows.shape[-1]
    limit = BLOCK_NUMBERS if columns > 1 else SINGLE_COLUMN_NUMBERS
    step = max(1, limit // prod(rows.shape[1:]))
    for start in range(0, len(rows), step):
        values = rows[start : start + step].astype(np.float64)
        values -= about
        if power == 2:
            values *= values
        if columns == 1:
            part = values.sum()
            total = part if total is None else total + part
            continue
        # One row for each image and channel, or for each step.
        values = values.sum(axis=(2, 3)) if values.ndim == 4 else values.reshape(-1, columns)
        total = values.sum(0) if total is None else np.concatenate((total[None], values)).sum(0)
    return np.asarray(total).reshape(np.asarray(rows[:1]).sum(axis=reduced_axes(rows), keepdims=True)[0].shape)


def reduced_axes(inputs: StoredRows) -> tuple[int, ...]:
    """Returns the axes of rows, and of the steps of sequences or the height and width of images."""
    return {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[inputs.ndim]


def refuse_negative(plan: Plan, splits: Iterable[NDArray[np.generic] | None]) -> None:
    """Refuses negative targets for the loss `poisson`; the card of a data set with a fixed target does not show
    them."""
    labels = [targets.reshape(len(targets), -1)[:, 0] for targets in splits if targets is not None]
    lowest = min(float(np.nanmin(each)) for each in labels)
    if lowest < 0:
        message = f"poisson needs targets that are at least 0, but the smallest target of {plan.card.id} is {lowest:g}"
        raise RecipeInvalid([Problem(pointer="/objective/loss", code="conflict", message=message)])
