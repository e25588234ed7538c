"""Which numbers need 64 bits: those whose spread float32 would round away, such as times in milliseconds."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array, check_finite

MAX_ERROR = 2.0**-14
"""Of a standard deviation: larger rounding errors of float32 call for 64 bits. Seconds of a day are rounded by 2^-9,
longitudes of a state by 2^-19, and 32 bits are faster."""
ROUNDING = {np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-13}
"""Share of the mean up to which a standard deviation is rounding: in 32 bits of the last digit, in 64 bits also of
sums, such as shares that add up to 1."""
CHUNK_ROWS = 8192
Floats = NDArray[np.float64]


def is_rounding(mean: Floats, std: Floats, dtype: np.dtype[np.generic]) -> NDArray[np.bool_]:
    """Whether a column is constant but for rounding. Bytes are as exact as float32."""
    share = ROUNDING.get(dtype, ROUNDING[np.dtype(np.float32)])
    return np.asarray(std <= share * np.maximum(np.abs(mean), 1e-12))


def narrowed(arrays: Mapping[str, Array], first: str, axes: tuple[int, ...]) -> dict[str, Array]:
    """All arrays in float32, or all in float64 where a column of the `first` needs it."""
    with np.errstate(over="ignore"):
        narrow = {name: values.astype(np.float32) for name, values in arrays.items()}
    for name, values in narrow.items():
        check_finite(name, values)
    if needs_double(arrays[first], axes, others=list(arrays.values())):
        return {name: values.astype(np.float64) for name, values in arrays.items()}
    return narrow


def needs_double(values: Array, axes: tuple[int, ...], *, others: Sequence[Array] = ()) -> bool:
    """Whether float32 rounds a column of `values`, or the same column of `others`, by more than `MAX_ERROR` of
    its standard deviation. A column is what is left when `axes` are reduced."""
    inexact = [each for each in (values, *others) if not np.can_cast(each.dtype, np.float32)]
    if not inexact:
        return False
    error = np.max([rounding_error(each, axes) for each in inexact], axis=0)
    mean, std = moments(values, axes)
    return bool(((error > MAX_ERROR * std) & ~is_rounding(mean, std, np.dtype(np.float64))).any())


def rounding_error(values: Array, axes: tuple[int, ...]) -> Floats:
    """The largest |x - float32(x)| of each column."""
    largest = np.zeros(())
    for chunk in chunks(values):
        error = np.abs(chunk - chunk.astype(np.float32)).max(axis=axes, keepdims=True)[0]
        largest = np.maximum(largest, error)
    return largest


def moments(values: Array, axes: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column, about the first row, so that nothing cancels."""
    about = values[:1].astype(np.float64).mean(axis=axes, keepdims=True)
    total, squares = np.zeros_like(about), np.zeros_like(about)
    for chunk in chunks(values):
        difference = chunk - about
        total += difference.sum(axis=axes, keepdims=True)
        squares += (difference**2).sum(axis=axes, keepdims=True)
    mean = total / (values.size / total.size)
    variance = squares / (values.size / total.size) - mean**2
    return (about + mean)[0], np.sqrt(np.maximum(variance, 0.0))[0]


def chunks(values: Array) -> Iterator[Floats]:
    """Rows in float64, lazily: no copy of the whole."""
    return (values[start : start + CHUNK_ROWS].astype(np.float64) for start in range(0, len(values), CHUNK_ROWS))
