"""Chooses the rows that a finding is made from: all of them, or of a large set a sample, which the finding names."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

COMPARED_ROWS = 1_000_000
"""Limit on the rows of a split that are compared with each other."""
EXAMINED_ROWS = 50_000
"""Limit on the rows in which the values of columns are examined."""
EXAMINED_NUMBERS = 20_000_000
"""Limit on the numbers in these rows; it holds for tables of up to 100,000 columns."""
MIN_EXAMINED_ROWS = 200


def sample_rows(count: int, limit: int) -> Rows:
    """Returns all rows in order, or one of each of `limit` blocks of equal size; the same ones each time."""
    if count <= limit:
        return np.arange(count)
    starts = np.arange(limit) * count // limit
    widths = np.diff(starts, append=count)
    return starts + (np.random.Philox(0).random_raw(limit) % widths.astype(np.uint64)).astype(np.int64)


def examined_rows(count: int, columns: int) -> Rows:
    """Returns the rows in which the values of so many columns are examined."""
    return sample_rows(count, min(EXAMINED_ROWS, max(MIN_EXAMINED_ROWS, EXAMINED_NUMBERS // max(columns, 1))))


def describe_sample(examined: int, count: int) -> str:
    """Returns the end of a sentence that says that not all rows were examined; empty if all were."""
    return "" if examined == count else f" (measured on {examined:,} of the {count:,} rows)"


def percent(share: float) -> str:
    """Returns a share as a percentage, which is only 0 % or 100 % if it is exact."""
    text = f"{100 * share:.3g}"
    if share < 1 and float(text) >= 100:
        return "over 99.9 %"
    return f"{text} %" if share == 0 or share >= 0.0001 else "below 0.01 %"
