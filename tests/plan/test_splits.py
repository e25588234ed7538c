"""Split sizes from the card."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.plan.card import SplitCounts
from bakehouse.plan.splits import split_sizes


@pytest.mark.parametrize(
    ("counts", "fraction", "sizes"),
    [
        (SplitCounts(train=1797), 0.2, (1150, 288, 359)),
        (SplitCounts(train=60_000, test=10_000), 0.1, (54_000, 6_000, 10_000)),
        (SplitCounts(train=100, validation=30), 0.5, (80, 30, 20)),
        (SplitCounts(train=100, validation=30, test=40), 0.5, (100, 30, 40)),
        (SplitCounts(train=10), 0.001, (7, 1, 2)),
        (SplitCounts(train=10), 0.999, (1, 7, 2)),
    ],
)
def test_own_splits_count_and_missing_ones_are_taken_from_train(
    counts: SplitCounts, fraction: float, sizes: tuple[int, int, int]
) -> None:
    assert split_sizes(counts, fraction) == sizes


@given(st.integers(10, 10**9), st.floats(0.0001, 0.9999))
def test_nothing_is_lost_and_no_split_is_empty(rows: int, fraction: float) -> None:
    sizes = split_sizes(SplitCounts(train=rows), fraction)
    assert sum(sizes) == rows
    assert min(sizes) >= 1
