import math
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from bakehouse.experiments.statistics import (
    adjust,
    compare,
    detectable_shift,
    error,
    is_usable,
    judge,
    seeds_for_half,
    summarize,
)

# Student 1908, The Probable Error of a Mean: hours of additional sleep with each of two drugs.
FIRST_DRUG = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND_DRUG = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
SLEEP = [second - first for first, second in zip(FIRST_DRUG, SECOND_DRUG, strict=True)]

numbers = st.lists(st.floats(-1000, 1000).map(lambda value: round(value, 4)), min_size=2, max_size=30)


def vary(values: Sequence[float]) -> bool:
    return max(values) - min(values) > 1e-6


@given(numbers)
def test_the_interval_of_a_mean_is_that_of_scipy(values: list[float]) -> None:
    assume(vary(values))
    summary = summarize(values)
    interval = scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.sd == pytest.approx(np.std(values, ddof=1))
    assert summary.interval == pytest.approx(interval)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=30))
def test_the_paired_t_test_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    differences = [first - second for first, second in pairs]
    assume(vary(differences))
    found = compare(differences, scale=10)
    reference = scipy.stats.ttest_rel(*zip(*pairs, strict=True))
    assert found.p == pytest.approx(reference.pvalue, rel=1e-7, abs=1e-300)
    assert found.interval == pytest.approx(tuple(reference.confidence_interval()), abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=8))
def test_the_sign_flip_test_is_the_permutation_test_of_scipy(differences: list[int]) -> None:
    assume(vary(differences))
    reference = scipy.stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert compare([value / 10 for value in differences], scale=1).p_sign_flip == pytest.approx(reference.pvalue)


def test_the_sign_flip_test_is_made_of_up_to_12_differences() -> None:
    assert compare(range(1, 13), scale=12).p_sign_flip == 2 / 2**12
    assert compare(range(1, 14), scale=13).p_sign_flip is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_adjustment_is_that_of_statsmodels(ps: list[float]) -> None:
    # That function collects garbage each time, which takes a fifth of a second.
    with patch("gc.collect"):
        assert adjust(ps) == pytest.approx(multipletests(ps, method="holm")[1])


def test_holms_adjustment_counts_only_what_was_tested() -> None:
    assert adjust([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert adjust([]) == []


@pytest.mark.parametrize("n", [3, 5, 10, 34, 200])
def test_the_detectable_difference_is_found_four_times_in_five(n: int) -> None:
    shift = detectable_shift(n) / math.sqrt(n)
    assert TTestPower().power(shift, nobs=n, alpha=0.05) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("n", [3, 5, 10, 34])
def test_the_number_of_seeds_for_half_is_the_smallest_that_suffices(n: int) -> None:
    half = detectable_shift(n) / math.sqrt(n) / 2
    seeds = seeds_for_half(n, None)
    assert seeds is not None
    assert TTestPower().power(half, nobs=seeds, alpha=0.05) >= 0.8 - 1e-6
    assert TTestPower().power(half, nobs=seeds - 1, alpha=0.05) < 0.8


# Faul et al. 2007, G*Power 3: a paired t test with d = 0.5 needs 34 pairs for a power of 0.8, and one of 0.8 needs 15.
@pytest.mark.parametrize(("size", "n"), [(0.5, 34), (0.8, 15), (0.2, 199)])
def test_the_power_is_that_of_published_tables(size: float, n: int) -> None:
    assert detectable_shift(n) / math.sqrt(n) <= size < detectable_shift(n - 1) / math.sqrt(n - 1)


def test_students_sleep_is_his_result() -> None:
    found = compare(SLEEP, scale=5.5)
    assert found.mean == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert found.interval == pytest.approx((0.7001142, 2.4598858))
    # All signs but one are +, and that difference is 0, so that 2 of 2^9 choices are as far from 0.
    assert found.p_sign_flip == 2 / 2**9
    assert found.test == "t"


def test_a_repeated_cross_validation_is_the_example_of_scikit_learn() -> None:
    inputs, targets = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    first, second = (
        cross_val_score(SVC(kernel=kernel, random_state=0), inputs, targets, cv=folds, scoring="roc_auc")
        for kernel in ("rbf", "linear")
    )
    differences = list(first - second)
    found = compare(differences, scale=1, folds=10)
    # Its page says t = 0.750 and, for one side, p = 0.227; without the correction t = 2.611 and p = 0.005.
    deviation = np.std(differences, ddof=1)
    assert found.mean / error(deviation, 100, 10) == pytest.approx(0.750, abs=5e-4)
    assert found.p == pytest.approx(2 * 0.227, abs=1e-3)
    assert found.mean / error(deviation, 100, None) == pytest.approx(2.611, abs=5e-4)
    assert compare(differences, scale=1).p == pytest.approx(2 * 0.005, abs=1e-3)
    assert (found.test, found.p_sign_flip) == ("corrected_t", None)


@given(numbers, st.integers(2, 20))
def test_the_interval_of_a_cross_validation_is_wider_by_the_overlap(values: list[float], folds: int) -> None:
    assume(vary(values))
    plain, corrected = summarize(values).interval, summarize(values, folds=folds).interval
    assert plain is not None
    assert corrected is not None
    ratio = math.sqrt((1 / len(values) + 1 / (folds - 1)) * len(values))
    assert corrected[1] - corrected[0] == pytest.approx(ratio * (plain[1] - plain[0]))


def test_more_seeds_of_a_cross_validation_bring_no_more_rows() -> None:
    assert seeds_for_half(25, 5) is None
    assert seeds_for_half(2, 2) == 2


def test_nothing_has_no_mean_and_one_value_no_interval() -> None:
    assert summarize([]).mean is None
    one = summarize([0.9])
    assert (one.n, one.mean, one.sd, one.interval) == (1, 0.9, None, None)
    pair = compare([0.1], scale=1)
    assert (pair.p, pair.p_sign_flip, pair.interval, pair.detectable, pair.seeds_for_half) == (None,) * 5


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(2, 30))
def test_equal_differences_have_the_p_of_their_signs_and_never_0(value: float, change: float, n: int) -> None:
    assume(abs(change) > 1e-6)
    # Rounding makes the differences unequal.
    differences = [(value * seed + change) - value * seed for seed in range(n)]
    found = compare(differences, scale=31)
    assert found.p == 2 / 2**n
    assert found.p_sign_flip == (found.p if n <= 12 else None)
    assert (found.interval, found.detectable, found.test) == (None, None, "sign_flip")


def test_differences_of_0_are_no_effect() -> None:
    found = compare([0.0] * 5, scale=1)
    assert (found.mean, found.p, found.p_sign_flip, found.interval) == (0.0, 1.0, 1.0, None)


def test_differences_that_no_seed_changes_are_not_tested() -> None:
    assert compare([0.1] * 9, scale=1, has_noise=False).p is None
    assert compare([0.1] * 9, scale=1, folds=3).p is None


def test_a_p_too_small_for_a_float_is_not_0() -> None:
    found = compare([1 + 1e-9 * (index % 2) for index in range(1000)], scale=1)
    assert found.p is not None
    assert 0 < found.p < 1e-300


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 1e200])
def test_a_value_that_cannot_be_averaged_is_not_usable(value: float | None) -> None:
    assert not is_usable(value)


def test_a_verdict_needs_a_small_p_and_knows_the_direction() -> None:
    assert judge(0.1, 0.049, higher_is_better=True) == "better"
    assert judge(0.1, 0.049, higher_is_better=False) == "worse"
    assert judge(-0.1, 0.049, higher_is_better=False) == "better"
    assert judge(0.1, 0.05, higher_is_better=True) == "no clear effect"
    assert judge(0.1, None, higher_is_better=True) == "no clear effect"
