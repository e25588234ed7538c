"""Split sizes from the card."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bakehouse.plan.card import SplitCounts
from bakehouse.plan.splits import MIN_GROUPS, count_rows, share_groups, split_sizes, take_groups


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


@given(st.dictionaries(st.integers(1, 60), st.integers(1, 20), min_size=1), st.floats(0.01, 0.9), st.integers(0, 99))
def test_whole_groups_are_shared_and_each_split_gets_one(groups: dict[int, int], fraction: float, seed: int) -> None:
    assume(sum(groups.values()) >= MIN_GROUPS)
    shares = share_groups(groups, fraction, seed=seed)
    assert any(shares.test.values())
    assert any(shares.validation.values())
    remaining = {size: count - shares.test[size] - shares.validation[size] for size, count in groups.items()}
    assert min(remaining.values()) >= 0
    assert any(remaining.values())


@given(st.dictionaries(st.integers(1, 60), st.integers(1, 20), min_size=4), st.integers(0, 99))
def test_the_share_of_the_test_groups_is_right_up_to_one_group(groups: dict[int, int], seed: int) -> None:
    rows = count_rows(groups)
    assume(sum(groups.values()) >= 20)
    taken = count_rows(take_groups(groups, 0.2, kept=2, seed=seed))
    assert abs(taken - 0.2 * rows) <= max(groups)


def test_another_seed_takes_other_groups_although_all_sizes_differ() -> None:
    groups = dict.fromkeys(range(10, 40), 1)
    assert len({tuple(take_groups(groups, 0.2, kept=2, seed=seed).items()) for seed in range(5)}) == 5
