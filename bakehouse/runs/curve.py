"""Keeps the monitored metric of all epochs in a few numbers, from which a list draws a small curve of each run."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite

from bakehouse.model import Model
from bakehouse.recipe.evaluation import is_higher_better

SHOWN_POINTS = 24
# Twice as many points are kept, so that the shown ones are nearly even whatever the number of epochs.
MAX_POINTS = 2 * SHOWN_POINTS
LARGEST = 99

Value = float | None


class Curve(Model):
    """The monitored metric by epoch. If a point stands for several epochs, it has the best of their values."""

    epochs_per_point: int = 1
    values: tuple[float | None, ...] = ()
    """One value for each point, with six digits; null if no value was finite."""


def extended(curve: Curve, epochs: Mapping[int, Value], monitor: str) -> Curve:
    """Returns the curve with the monitored metric of further epochs."""
    values = list(curve.values)
    width = curve.epochs_per_point
    for epoch, value in epochs.items():
        while (index := (epoch - 1) // width) >= MAX_POINTS:
            values = [best(values[start : start + 2], monitor) for start in range(0, len(values), 2)]
            width *= 2
        # A run that an earlier version began has no values of its first epochs.
        values += [None] * (index + 1 - len(values))
        values[index] = best([values[index], rounded(value)], monitor)
    return Curve(epochs_per_point=width, values=tuple(values))


def sparkline(curve: Curve, monitor: str) -> list[int | None]:
    """Returns at most 24 integers from 0, the least value, to 99, the greatest one. The result for a curve of such
    integers is the same again."""
    values = thinned(curve.values, monitor)
    finite = [value for value in values if value is not None]
    if not finite or min(finite) == max(finite):
        return [value if value is None else 0 for value in values]
    # Halves are subtracted, because the difference of two large numbers may be infinite.
    low = min(finite) / 2
    span = max(finite) / 2 - low
    return [value if value is None else round((value / 2 - low) / span * LARGEST) for value in values]


def thinned(values: Sequence[Value], monitor: str) -> Sequence[Value]:
    """Returns the best values of 24 equal parts."""
    if len(values) <= SHOWN_POINTS:
        return values
    bounds = [index * len(values) // SHOWN_POINTS for index in range(SHOWN_POINTS + 1)]
    return [best(values[low:high], monitor) for low, high in pairwise(bounds)]


def at_end(curve: Curve, monitor: str) -> Curve:
    """Returns the curve of a run that is over, as it is shown, which takes a third of the memory."""
    return Curve(values=tuple(value if value is None else float(value) for value in sparkline(curve, monitor)))


def best(values: Sequence[Value], monitor: str) -> Value:
    """Returns the best of the values that are numbers."""
    choose = max if is_higher_better(monitor) else min
    return choose((value for value in values if value is not None), default=None)


def rounded(value: Value) -> Value:
    return float(f"{value:.6g}") if value is not None and isfinite(value) else None
