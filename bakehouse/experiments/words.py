"""Writes differences with their unit: `+0.3 points, -0.4 to 1.0, n = 5`."""

import json
import math
from collections.abc import Callable

from bakehouse.experiments.answer import ArmResult, Difference, Effect
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.statistics import ALPHA, Comparison, Interval
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
from bakehouse.recipe.tokens import family_tokens

POINTS = {
    "_balanced_accuracy": "points of balanced accuracy", "_accuracy": "points", "_f1": "points of F1",
    "_auroc": "points of AUROC",
}  # fmt: skip
"""Metrics that are shares, whose differences are given in hundredths, by the end of their name."""


def unit_of(metric: str) -> str | None:
    """Returns the unit of a metric that is a share, and None of any other, which has none."""
    return next((unit for end, unit in POINTS.items() if metric.endswith(end)), None)


def difference_text(found: Difference | Effect, metric: str) -> str:
    """Returns a difference with its interval and n; of a loss with the metric's name, as it has no unit."""
    unit = unit_of(metric)
    factor = 1 if unit is None else 100
    write = writer(factor * (abs(found.mean) if found.interval is None else half_width(found.interval)))
    mean = write(factor * found.mean)
    # A zero has no sign.
    mean = f"+{mean}" if found.mean > 0 and mean.strip("0.,") else mean
    parts = [f"{metric} {mean}" if unit is None else f"{mean} {unit}"]
    if found.interval is not None:
        low, high = (write(factor * end) for end in found.interval)
        parts.append(f"{low} to {high}")
    return ", ".join([*parts, f"n = {found.n}"])


def field_text(value: object) -> str:
    """Returns a value of a recipe in short: a number with four digits, an ingredient as `sgd(lr=0.1, momentum=0.9)`."""
    match value:
        case bool() | None:
            return json.dumps(value)
        case float():
            return f"{value:.4g}"
        case {"type": str(kind), **fields}:
            inside = ", ".join(f"{name}={field_text(each)}" for name, each in fields.items())
            return f"{kind}({inside})" if inside else kind
        case {"arm": str(name), **others} if not others:
            return f"the run of {name}"
        case dict():
            return f"({', '.join(f'{name}={field_text(each)}' for name, each in value.items())})"
        case list():
            return " + ".join(map(field_text, value)) or "none"
        case str():
            return value
        case _:
            return json.dumps(value)


def chosen_text(differs: JsonObject) -> str:
    """Returns what a trial has chosen, where it differs from the recipe that the search began with."""
    texts: list[str] = []
    for place, value in differs.items():
        _, field, *inner = place.split("/")
        texts += [f"{inner[-1]} {field_text(value)}"] if inner else family_tokens(field, value)
    return ", ".join(texts)


def arm_name(arm: ArmResult) -> str:
    """Returns the name of an arm in a table."""
    return f"{arm.name} (pruned)" if arm.pruned else arm.name


def ensemble_name(ensemble: Ensemble) -> str:
    """Returns the name of an ensemble in a table of arms: `5 runs of plain as one model`."""
    mean = ", geometric mean" if ensemble.mean == "geometric" else ""
    return f"{count_of(ensemble.n, 'run')} of {ensemble.arm} as one model{mean}"


def value_text(value: float, interval: Interval | None, metric: str) -> str:
    """Returns a mean with its interval: `97.9 % (97.4 to 98.4)`."""
    factor = 1 if unit_of(metric) is None else 100
    # All shares of a table have the same decimals.
    uncertainty = (1 / 100 if factor == 100 else abs(value) / 100) if interval is None else half_width(interval)
    write = writer(factor * uncertainty)
    text = write(factor * value) + (" %" if factor == 100 else "")
    if interval is None:
        return text
    low, high = (write(factor * end) for end in interval)
    return f"{text} ({low} to {high})"


def half_width(interval: Interval) -> float:
    return (interval[1] - interval[0]) / 2


def writer(uncertainty: float) -> Callable[[float], str]:
    """Returns a function that writes numbers with the decimals that an uncertainty deserves: its first digit, and the
    second if the first is 1 or 2; at least one decimal."""
    if not 1e-7 < uncertainty < 1e7:
        return lambda value: f"{value:.3g}" if uncertainty else f"{value:.1f}"
    exponent = math.floor(math.log10(uncertainty))
    places = max(1, -exponent + (uncertainty < 2.95 * 10.0**exponent))
    return lambda value: without_zero_sign(f"{value:,.{places}f}")


def without_zero_sign(text: str) -> str:
    return text if text.strip("-0.,") else text.removeprefix("-")


def note_of(found: Comparison, p_adjusted: float | None, comparisons: int) -> str | None:
    """Returns in words why a comparison has no interval, or why an interval without 0 is no clear effect."""
    if found.interval is None:
        return note_without_interval(found)
    if found.p is not None and p_adjusted is not None and found.p < ALPHA <= p_adjusted:
        return f"By itself it would be clear, but there are {comparisons} comparisons (adjusted p = {p_adjusted:.2g})."
    return None


def note_without_interval(found: Comparison) -> str:
    if found.n == 1:
        return "One pair cannot tell an effect from noise."
    if found.mean == 0:
        return f"All {found.n} differences are 0."
    if found.p is None:
        return f"All {found.n} differences are equal, and nothing tells them from noise."
    return f"All {found.n} differences are equal, so that p = {found.p:.2g} is that of the exact sign-flip test."
