"""The sizes of the splits, which follow from the card alone."""

from typing import NamedTuple

from bakehouse.plan.card import SplitCounts

TEST_FRACTION = 0.2
"""Share of all rows, if the set has no test split."""


class SplitSizes(NamedTuple):
    """Rows in each split."""

    train: int
    validation: int
    test: int


def split_sizes(counts: SplitCounts, validation_fraction: float) -> SplitSizes:
    """The set's own splits; without a test split 20 % of the rows, without a validation split a fraction of the
    rest."""
    test_taken = 0 if counts.test is not None else _share(counts.train, TEST_FRACTION)
    rest = counts.train - test_taken
    validation_taken = 0 if counts.validation is not None else _share(rest, validation_fraction)
    return SplitSizes(rest - validation_taken, counts.validation or validation_taken, counts.test or test_taken)


def _share(rows: int, fraction: float) -> int:
    """Rounded half up, and at least one row on each side."""
    return min(max(int(rows * fraction + 0.5), 1), rows - 1)
