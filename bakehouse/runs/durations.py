"""Predicts how long trainings take from what workers have measured of others.

The time of an epoch is a sum of parts that grow with its batches, its rows and its operations, and whose weights are
not known. If another epoch has between `a` and `b` times as many of each, it takes between `a` and `b` times as long,
whatever the weights are. So each measurement bounds each other training on the same device.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from math import sqrt
from typing import Literal

from bakehouse.plurals import count_of, range_text
from bakehouse.runs.measurements import Measurement, Work

Basis = Literal["same_ingredients", "same_architecture", "other_architectures"]
Bounds = tuple[float, float]

# The least factors by which equal work may take longer or shorter, because a machine is not equally fast at all times,
# and because other ingredients do other things with a row.
MARGINS: Mapping[Basis, float] = {"same_ingredients": 1.25, "same_architecture": 2.0, "other_architectures": 3.0}
# The share of the measurements that lay within the margin of what the others say of them.
SHARE_WITHIN = 0.9
# Only so many are compared with each other, because an experiment has up to a thousand arms to predict.
MOST_COMPARED = 16


@dataclass(frozen=True, slots=True)
class Duration:
    """The range of seconds that a training is expected to take on one worker."""

    low: float
    high: float
    basis: Basis
    """How much the measured trainings are like this one."""
    measurements: int
    """Number of measured trainings that the range follows from."""

    @property
    def middle(self) -> float:
        """The expected seconds as one number."""
        return sqrt(self.low * self.high)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The devices of the workers that are here, one for each worker, and what was measured on them."""

    devices: Sequence[str]
    measurements: Sequence[Measurement]

    def predict(self, work: Work) -> Duration | None:
        """Returns the range that holds whichever of the workers trains; None if nothing was measured on them."""
        found = [self._predict_on(device, work) for device in sorted(set(self.devices))]
        return join([duration for duration in found if duration is not None])

    def _predict_on(self, device: str, work: Work) -> Duration | None:
        return predict(work, [each for each in self.measurements if each.device == device])

    def reason(self) -> str:
        """Says why there is no prediction."""
        return "nothing was measured yet on these workers" if self.devices else "no worker is running"


def predict(work: Work, measurements: Sequence[Measurement]) -> Duration | None:
    """Predicts the duration of a training from measurements on one device; returns None if there are none."""
    if not measurements:
        return None
    basis, nearest = most_alike(work, measurements)
    factor = margin(nearest, MARGINS[basis])
    epoch = widen(combine([epoch_bounds(work, each) for each in nearest]), factor)
    other = widen(combine([other_bounds(work, each) for each in nearest]), factor)
    low = other[0] + fewest_epochs(work, nearest) * epoch[0]
    high = other[1] + work.epochs * epoch[1]
    if work.budget_seconds is not None:
        low = min(low, work.budget_seconds)
        high = min(high, work.budget_seconds + other[1])
    return Duration(low, high, basis, len(nearest))


def most_alike(work: Work, measurements: Sequence[Measurement]) -> tuple[Basis, Sequence[Measurement]]:
    """Returns the measurements that say the most about a training."""
    if same := [each for each in measurements if each.work.ingredients == work.ingredients]:
        return "same_ingredients", same
    if same := [each for each in measurements if each.work.architecture == work.architecture]:
        return "same_architecture", same
    return "other_architectures", measurements


def epoch_bounds(work: Work, measured: Measurement) -> Bounds:
    """Bounds the time of an epoch."""
    known = measured.work
    ratios = (work.batches / known.batches, work.rows / known.rows, work.operations / known.operations)
    return measured.epoch_seconds * min(ratios), measured.epoch_seconds * max(ratios)


def other_bounds(work: Work, measured: Measurement) -> Bounds:
    """Bounds the time besides the epochs, of which a part does not depend on the recipe."""
    known = measured.work
    ratios = (1.0, work.rows / known.rows, work.operations / known.operations)
    return measured.other_seconds * min(ratios), measured.other_seconds * max(ratios)


def combine(bounds: Sequence[Bounds]) -> Bounds:
    """Returns what all bounds together say. Neither end falls if no bound does."""
    lows, highs = zip(*bounds, strict=True)
    # All bounds hold for the same weights. Those of two measurements exclude each other if the machine was not equally
    # fast, or if what is done with a row differs; then their ends are the range.
    low, high = sorted((max(lows), min(highs)))
    return low, high


def widen(bounds: Bounds, factor: float) -> Bounds:
    return bounds[0] / factor, bounds[1] * factor


def margin(measurements: Sequence[Measurement], least: float) -> float:
    """Returns the factor by which most measurements differ from what the others say of them; more if there are few."""
    number = len(measurements)
    least *= 1 + 0.5 / number
    if number == 1:
        return least
    compared = measurements[:MOST_COMPARED]
    misses = sorted(miss(each, compared) for each in compared)
    return max(least, misses[int(SHARE_WITHIN * (len(misses) - 1))])


def miss(measured: Measurement, measurements: Iterable[Measurement]) -> float:
    """Returns by which factor a measurement lies outside of what the others say of it."""
    bounds = combine([epoch_bounds(measured.work, each) for each in measurements if each is not measured])
    return max(bounds[0] / measured.epoch_seconds, measured.epoch_seconds / bounds[1])


def fewest_epochs(work: Work, measurements: Iterable[Measurement]) -> int:
    """Returns the fewest epochs after which early stopping ended a run that is alike; all epochs if it ended none."""
    alike = [each for each in measurements if is_stopped_alike(work, each.work)]
    return min([work.epochs, *(each.stopped_after for each in alike if each.stopped_after is not None)])


def is_stopped_alike(work: Work, known: Work) -> bool:
    same = ("ingredients", "dataset", "early_stopping")
    return all(getattr(work, name) == getattr(known, name) for name in same)


def join(durations: Sequence[Duration]) -> Duration | None:
    """Returns the range that contains all others; None if there are none."""
    if not durations:
        return None
    return Duration(
        min(each.low for each in durations),
        max(each.high for each in durations),
        max((each.basis for each in durations), key=list(MARGINS).index),
        sum(each.measurements for each in durations),
    )


def predict_total(durations: Sequence[Duration | None], workers: int) -> Bounds | None:
    """Returns the range of seconds that runs take in this order, each on the worker that is free first; None if the
    duration of a run is not known, or if there is no worker."""
    known = [each for each in durations if each is not None]
    if workers == 0 or len(known) < len(durations):
        return None
    low, high = ([getattr(each, end) for each in known] for end in ("low", "high"))
    return makespan(low, workers), makespan(high, workers)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Returns the time at which the last run ends."""
    free = [0.0] * workers
    for each in seconds:
        heapreplace(free, free[0] + each)
    return max(free)


def total_text(bounds: Bounds, workers: int) -> str:
    """Returns `12 to 19 min on the 2 workers that are here`."""
    here = "worker that is" if workers == 1 else "workers that are"
    return f"{range_text(*bounds)} on the {'' if workers == 1 else f'{workers} '}{here} here"


def duration_text(duration: Duration, work: Work) -> str:
    """Returns `12 to 19 min`, with a note if it need not be all."""
    text = range_text(duration.low, duration.high)
    if work.early_stopping is None:
        return text
    return f"{text} for {count_of(work.epochs, 'epoch')} at most; early stopping may end it sooner"
