"""Fits what turns the columns of a table into features, on the known values of the training split."""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.precision import is_rounding
from bakehouse.plan.inputs import Encoding
from bakehouse.recipe.dataset import Dataset
from worker.data.rows import StoredRows, column_of

Floats = NDArray[np.float64]


def fit_columns(encoding: Encoding, rows: StoredRows, dataset: Dataset) -> tuple[Floats, Floats, Floats]:
    """Returns the numbers that empty cells become, and the shift and scale of each feature."""
    # One column at a time, because a large table stays on disk.
    fitted = [fit_number(column_of(rows, place).astype(np.float64), dataset) for place in encoding.numbers]
    fill, shift, scale = np.array(fitted).reshape(-1, 3).T
    others = np.ones(2 * len(encoding.cycles) + len(encoding.flags))
    occurs = [occurring_classes(column_of(rows, place), count) for place, count in encoding.categories]
    unscaled = np.concatenate([others, *occurs])
    return fill, np.concatenate([shift, np.zeros_like(unscaled)]), np.concatenate([scale, unscaled])


def fit_number(values: Floats, dataset: Dataset) -> tuple[float, float, float]:
    """Returns fill, shift and scale of a column; a column without a known value becomes 0."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 0.0, 0.0
    mean = known.mean()
    # A sum of many large numbers has lost digits; the mean of the differences from the first result restores them.
    mean += (known - mean).mean()
    fill = float(np.median(known) if dataset.columns.missing == "median" else mean)
    match dataset.normalization:
        case "none":
            return fill, 0.0, 1.0
        case "min_max":
            low = float(known.min())
            extent = float(known.max()) - low
            return fill, low, 1 / extent if extent else 0.0
        case "standardize" | "whiten":
            std = np.sqrt(np.square(known - mean).mean())
            return fill, float(mean), 0.0 if is_rounding(mean, std, known.dtype) else float(1 / std)
        case _:
            assert_never(dataset.normalization)


def occurring_classes(codes: Floats, classes: int) -> Floats:
    """Returns 1 for each class that a row has, and 0 for the others."""
    occurs = np.zeros(classes)
    occurs[codes[~np.isnan(codes)].astype(np.int64)] = 1.0
    return occurs
