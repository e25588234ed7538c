"""Computes the sizes of the splits from the card alone."""

from typing import NamedTuple

from bakehouse.plan.card import SplitCounts

TEST_FRACTION = 0.2
"""Share of all rows that become the test split, if the set has none of its own."""


class SplitSizes(NamedTuple):
    """Number of rows in each split."""

    train: int
    validation: int
    test: int


def split_sizes(counts: SplitCounts, validation_fraction: float) -> SplitSizes:
    """Returns the sizes of the set's own splits. A missing test split gets 20 % of the rows, a missing validation split
    a fraction of the rest."""
    test_taken = 0 if counts.test is not None else _share(counts.train, TEST_FRACTION)
    rest = counts.train - test_taken
    validation_taken = 0 if counts.validation is not None else _share(rest, validation_fraction)
    return SplitSizes(rest - validation_taken, counts.validation or validation_taken, counts.test or test_taken)


def _share(rows: int, fraction: float) -> int:
    """Returns the share in rows, rounded half up, so that both sides have at least one row."""
    return min(max(int(rows * fraction + 0.5), 1), rows - 1)
