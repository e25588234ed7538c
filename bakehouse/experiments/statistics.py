"""The statistics of experiments: Student's t, paired differences, Holm's adjustment, and power.

A number that the data do not give is None: there is no interval of one value, and no t test of differences that are all
equal, whose p would be 0.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

ALPHA = 0.05
POWER = 0.8
MAX_FLIPPED = 12
"""The largest number of differences whose signs are all flipped: 2^12 means."""
ROUNDING = 1e-12
"""Values whose distance is at most this share of the largest one differ by rounding alone."""
LARGEST = 1e100
"""Squares of larger numbers may overflow."""
SMALLEST = 1e-100
"""Squares of smaller numbers may be 0."""

Interval = tuple[float, float]
Test = Literal["t", "corrected_t", "sign_flip"]
Verdict = Literal["better", "worse", "no clear effect"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of some values, with its 95 % interval."""

    n: int
    mean: float | None
    sd: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differences between pairs say about the mean difference."""

    n: int
    mean: float
    interval: Interval | None
    p: float | None
    test: Test | None
    """The test that gives `p`: Student's t, or, of differences that are all equal, the exact sign-flip test."""
    p_sign_flip: float | None
    detectable: float | None
    """The smallest true difference that this many pairs would have found with probability 0.8."""
    seeds_for_half: int | None
    """The number of seeds that would find half of `detectable` with the same probability."""


def is_usable(value: float | None) -> bool:
    """Returns whether a value can be averaged: neither missing, nor infinite, nor so large that its square is."""
    return value is not None and math.isfinite(value) and abs(value) < LARGEST


def mean_metrics(names: Iterable[str], runs: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Returns the mean of each of these metrics that all runs have as a number."""
    columns = {name: [metrics.get(name) for metrics in runs] for name in names}
    return {
        name: math.fsum(value for value in values if value is not None) / len(values)
        for name, values in columns.items()
        if all(map(is_usable, values))
    }


def summarize(values: Sequence[float], *, folds: int | None = None) -> Summary:
    """Returns the mean, the standard deviation, and the interval by Student's t. The values of a cross-validation are
    one for each seed and fold."""
    n = len(values)
    if n == 0:
        return Summary(n=0, mean=None, sd=None, interval=None)
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(n=1, mean=mean, sd=None, interval=None)
    if spread(values) <= rounding(largest(values)):
        return Summary(n=n, mean=mean, sd=0.0, interval=None)
    sd = deviation(values, mean)
    return Summary(n=n, mean=mean, sd=sd, interval=interval_of(mean, error(sd, n, folds), n))


def compare(
    differences: Sequence[float], *, scale: float, has_noise: bool = True, folds: int | None = None
) -> Comparison:
    """Tests whether the mean of at least one difference is 0.

    `scale` is the largest value that was subtracted, by which rounding is told from a difference. `has_noise` is false
    if no seed changed any value, so that repeating says nothing about chance.
    """
    n = len(differences)
    mean = math.fsum(differences) / n
    if n == 1 or not has_noise:
        return without_spread(n, mean, p=None)
    if spread(differences) <= rounding(scale):
        return compare_equal(n, mean, is_zero=abs(mean) <= rounding(scale), folds=folds)
    deviation_of_mean = error(deviation(differences, mean), n, folds)
    return Comparison(
        n=n,
        mean=mean,
        interval=interval_of(mean, deviation_of_mean, n),
        p=two_sided_p(mean / deviation_of_mean, n - 1),
        test="t" if folds is None else "corrected_t",
        p_sign_flip=sign_flip_p(differences, rounding(scale) * n) if folds is None and n <= MAX_FLIPPED else None,
        detectable=detectable_shift(n) * deviation_of_mean,
        seeds_for_half=seeds_for_half(n, folds),
    )


def compare_equal(n: int, mean: float, *, is_zero: bool, folds: int | None) -> Comparison:
    """Tests differences that are all equal. Student's t would call them certain; but if both signs of a difference are
    equally likely, n equal signs have a chance of 2 / 2^n. Folds share training rows, so their signs are not free."""
    if is_zero:
        return without_spread(n, 0.0, p=1.0)
    return without_spread(n, mean, p=2.0 ** (1 - n) if folds is None else None)


def without_spread(n: int, mean: float, *, p: float | None) -> Comparison:
    return Comparison(
        n=n,
        mean=mean,
        interval=None,
        p=p,
        test=None if p is None else "sign_flip",
        p_sign_flip=p if n <= MAX_FLIPPED else None,
        detectable=None,
        seeds_for_half=None,
    )


def rounding(scale: float) -> float:
    """Returns the distance up to which values, of which the largest has this size, count as equal."""
    return max(ROUNDING * scale, SMALLEST)


def largest(values: Sequence[float]) -> float:
    return max(map(abs, values), default=0.0)


def spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def deviation(values: Sequence[float], mean: float) -> float:
    """Returns the standard deviation, with n - 1."""
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def error(sd: float, n: int, folds: int | None) -> float:
    """Returns the standard error of a mean, sd sqrt(1/n); of a cross-validation sd sqrt(1/n + n_test/n_train), because
    its training sets overlap (Nadeau & Bengio 2003, Machine Learning 52; for several seeds Bouckaert & Frank 2004,
    Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms)."""
    return sd * math.sqrt(1 / n + overlap(folds))


def overlap(folds: int | None) -> float:
    """Returns the rows that validate for each row that trains: 1 to k - 1 with k folds."""
    return 0.0 if folds is None else 1 / (folds - 1)


def interval_of(mean: float, standard_error: float, n: int) -> Interval:
    half = t_quantile(n - 1) * standard_error
    return mean - half, mean + half


@cache
def t_quantile(df: int) -> float:
    """Returns the value that |t| exceeds with probability 0.05."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - ALPHA / 2))


def two_sided_p(t: float, df: int) -> float:
    from scipy.special import stdtr

    # No finite t is impossible under the null, but its probability may be too small for a float.
    return max(2 * float(stdtr(df, -abs(t))), sys.float_info.min)


def sign_flip_p(differences: Sequence[float], tolerance: float) -> float:
    """Returns the share of all 2^n choices of signs whose sum is at least as far from 0."""
    # The first sign stays: the other half of the choices has the same sums but for the sign.
    sums = [differences[0]]
    for each in differences[1:]:
        sums = [total + each for total in sums] + [total - each for total in sums]
    least = abs(sums[0]) - tolerance
    return sum(abs(total) >= least for total in sums) / len(sums)


@cache
def detectable_shift(n: int) -> float:
    """Returns the mean, in standard errors, at which the t test of n differences is significant with probability 0.8:
    the noncentrality of Student's t. The far tail adds less than 1e-6 to that probability."""
    from scipy.special import nctdtrinc

    return float(nctdtrinc(n - 1, 1 - POWER, t_quantile(n - 1)))


@cache
def seeds_for_half(n: int, folds: int | None) -> int | None:
    """Returns the smallest number of seeds that detects half of what n pairs detect; None if no number does, because
    more seeds of a cross-validation do not bring more rows."""
    wanted = detectable_share(n, folds) / 2
    per_seed = folds or 1
    # With four times as many pairs the error is half as large unless training sets overlap.
    low, high = 0 if folds else 1, math.ceil(4 * n / per_seed)
    while detectable_share(high * per_seed, folds) > wanted:
        low, high = high, 2 * high
        if high > 10_000 * n:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable_share(middle * per_seed, folds) <= wanted else (middle, high)
    return high


def detectable_share(n: int, folds: int | None) -> float:
    """Returns the detectable difference in standard deviations of the differences."""
    return detectable_shift(n) * error(1.0, n, folds)


def adjust(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusts p values for their number, so that any false finding among all has probability 0.05 at most (Holm 1979,
    Scandinavian Journal of Statistics 6). What has no p was not tested."""
    tested = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, index) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        adjusted[index] = highest
    return adjusted


def judge(mean: float, p_adjusted: float | None, *, higher_is_better: bool) -> Verdict:
    """Returns in words whether a difference is one, and in which direction."""
    if p_adjusted is None or p_adjusted >= ALPHA:
        return "no clear effect"
    return "better" if (mean > 0) == higher_is_better else "worse"
