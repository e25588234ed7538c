"""Decides whether an array is kept in 64 bits because float32 would round away the spread of a column, such as times
in milliseconds."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array, check_finite
from bakehouse.data.scratch_arrays import in_rows

MAX_ERROR = 2.0**-14
"""Largest rounding error, as a share of the standard deviation, at which the faster float32 is used. It rounds unix
seconds within a day by a share of 2^-9, so they get 64 bits; longitudes within a state by 2^-19, so they do not."""
ROUNDING = {np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-13}
"""Largest standard deviation, as a share of the mean, that is taken for a rounding error. In 32 bits this is the last
digit; in 64 bits also the error of sums, such as proportions that add up to 1."""
CHUNK_ROWS = 8192
CHUNK_NUMBERS = 4 << 20
Floats = NDArray[np.float64]


def is_rounding(mean: Floats, std: Floats, dtype: np.dtype[np.generic]) -> NDArray[np.bool_]:
    """Whether the standard deviation of a column is no larger than what rounding alone gives a constant."""
    # Integers get the limit of float32.
    share = ROUNDING.get(dtype, ROUNDING[np.dtype(np.float32)])
    return np.asarray(std <= share * np.maximum(np.abs(mean), 1e-12))


def narrow_if_exact(arrays: Mapping[str, Array], first: str, axes: tuple[int, ...]) -> dict[str, Array]:
    """Converts all arrays to float32, or all to float64 if a column of the array named `first` needs it."""
    # A number beyond the range of float32 becomes infinite, and check_finite refuses it below.
    with np.errstate(over="ignore"):
        narrow = {name: in_rows(values, np.float32) for name, values in arrays.items()}
    for name, values in narrow.items():
        check_finite(name, values)
    # All splits get the same type, because a model is built for one type of inputs.
    if needs_double(arrays[first], axes, others=list(arrays.values())):
        return {name: in_rows(values, np.float64) for name, values in arrays.items()}
    return narrow


def needs_double(values: Array, axes: tuple[int, ...], *, others: Sequence[Array] = ()) -> bool:
    """Whether float32 rounds a column of `values`, or the same column of `others`, by more than `MAX_ERROR` times the
    column's standard deviation. The statistics of a column are taken over `axes`."""
    inexact = [array for array in (values, *others) if not np.can_cast(array.dtype, np.float32)]
    if not inexact:
        return False
    error = np.max([rounding_error(array, axes) for array in inexact], axis=0)
    mean, std = moments(values, axes)
    return bool(((error > MAX_ERROR * std) & ~is_rounding(mean, std, np.dtype(np.float64))).any())


def rounding_error(values: Array, axes: tuple[int, ...]) -> Floats:
    """Returns the largest |x - float32(x)| of each column."""
    largest = np.zeros(())
    for chunk in chunks(values):
        error = np.abs(chunk - chunk.astype(np.float32)).max(axis=axes, keepdims=True)[0]
        largest = np.maximum(largest, error)
    return largest


def moments(values: Array, axes: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Returns the mean and standard deviation of each column."""
    # Differences from the first row are squared, because squares of large numbers would lose the digits of a small
    # spread.
    origin = values[:1].astype(np.float64).mean(axis=axes, keepdims=True)
    total = np.zeros_like(origin)
    squares = np.zeros_like(origin)
    for chunk in chunks(values):
        difference = chunk - origin
        total += difference.sum(axis=axes, keepdims=True)
        squares += (difference**2).sum(axis=axes, keepdims=True)
    count = values.size / total.size
    mean = total / count
    variance = squares / count - mean**2
    # Rounding may make the variance of a constant column slightly negative.
    return (origin + mean)[0], np.sqrt(np.maximum(variance, 0.0))[0]


def chunks(values: Array) -> Iterator[Floats]:
    """Yields blocks of rows in float64, so that no copy of the whole array is made."""
    rows = min(CHUNK_ROWS, max(1, CHUNK_NUMBERS // prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield values[start : start + rows].astype(np.float64)
