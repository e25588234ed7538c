"""Draws a metric over the epochs: a line for each run, or for each arm the mean over its seeds with a band."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bakehouse.cli.plots.dots import factor_of
from bakehouse.cli.plots.style import QUIET, colour_of, dash_of, new_figure, tidy, two_lines

Row = Mapping[str, float | None]
LEGEND_INCHES = 0.22
"""Inches of a line of the legend."""
MOST_DETAILED = 4
"""The number of groups up to which each seed is drawn."""


@dataclass(frozen=True)
class Curve:
    """The epochs of a run."""

    rows: Sequence[Row]
    best_epoch: int | None = None
    stopped_early: bool = False
    """Whether the run ended before the last epoch of its recipe."""

    def points(self, metric: str, factor: int) -> list[tuple[int, float]]:
        """Returns the finite values by epoch."""
        found = ((int(row["epoch"] or 0), row.get(metric)) for row in self.rows)
        return [(epoch, factor * value) for epoch, value in found if value is not None and math.isfinite(value)]


@dataclass(frozen=True)
class Group:
    """Curves that are drawn in one colour: the seeds of an arm, or a single run."""

    name: str
    curves: Sequence[Curve]
    metric: str


def draw_curves(groups: Sequence[Group], *, label: str, title: str = "") -> Figure:
    """Returns lines with their best epochs (dots) and early stops (crosses)."""
    figure, axes = new_figure(9.0, max(4.2, 1.2 + sum(legend_inches(group.name) for group in groups)))
    for index, group in enumerate(groups):
        draw_group(axes, group, index, is_crowded=len(groups) > MOST_DETAILED)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(label)
    axes.set_title(title, fontsize=10, color=QUIET)
    tidy(axes, grid="y")
    # Beside the picture, the legend covers no line.
    axes.legend(handles=legend_lines(groups), loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9)
    return figure


def legend_inches(name: str) -> float:
    return LEGEND_INCHES * (1 + two_lines(name).count("\n"))


def draw_group(axes: Axes, group: Group, index: int, *, is_crowded: bool) -> None:
    """Draws the curves of a group; of several, the mean with a band and, unless there is no room, each of them."""
    factor, colour = factor_of(group.metric), colour_of(index)
    curves = [curve.points(group.metric, factor) for curve in group.curves]
    is_mean = len(curves) > 1
    if is_mean:
        by_epoch = values_by_epoch(curves)
        means = {epoch: fmean(values) for epoch, values in by_epoch.items()}
        low, high = [min(each) for each in by_epoch.values()], [max(each) for each in by_epoch.values()]
        axes.fill_between(list(means), low, high, color=colour, alpha=0.05 if is_crowded else 0.14, linewidth=0)
        axes.plot(list(means), list(means.values()), linestyle=dash_of(index), color=colour, linewidth=2)
    if is_mean and is_crowded:
        mark_mean(axes, group, curves, colour)
        return
    # Behind a mean, the runs are thin: they show where each of them ends.
    width, alpha = (0.7, 0.5) if is_mean else (1.6, 1.0)
    for curve, points in zip(group.curves, curves, strict=True):
        x, y = [epoch for epoch, _ in points], [value for _, value in points]
        axes.plot(x, y, linestyle=dash_of(index), color=colour, linewidth=width, alpha=alpha)
        mark(axes, curve, dict(points), colour)


def mark_mean(axes: Axes, group: Group, curves: Sequence[Sequence[tuple[int, float]]], colour: str) -> None:
    """Marks the mean of the best epochs and of the values there."""
    found = [
        (curve.best_epoch, dict(points)[curve.best_epoch])
        for curve, points in zip(group.curves, curves, strict=True)
        if curve.best_epoch is not None and curve.best_epoch in dict(points)
    ]
    if found:
        x, y = fmean(epoch for epoch, _ in found), fmean(value for _, value in found)
        axes.plot(x, y, "o", color=colour, markersize=5, markeredgecolor="white")


def values_by_epoch(curves: Sequence[Sequence[tuple[int, float]]]) -> dict[int, list[float]]:
    """Returns the values of all curves at each epoch that all of them have reached: a mean over those that are left
    would jump where one stops."""
    shared = set[int].intersection(*(set(dict(points)) for points in curves))
    return {epoch: [dict(points)[epoch] for points in curves] for epoch in sorted(shared)}


def mark(axes: Axes, curve: Curve, values: Mapping[int, float], colour: str) -> None:
    """Marks the best epoch, and the last one if the run stopped early."""
    if curve.best_epoch is not None and curve.best_epoch in values:
        axes.plot(curve.best_epoch, values[curve.best_epoch], "o", color=colour, markersize=5, markeredgecolor="white")
    last = max(values, default=0)
    if curve.stopped_early and last:
        axes.plot(last, values[last], "x", color=colour, markersize=6, markeredgewidth=1.6)


def legend_lines(groups: Sequence[Group]) -> list[Line2D]:
    lines = [
        Line2D([], [], color=colour_of(index), linestyle=dash_of(index), label=two_lines(group.name))
        for index, group in enumerate(groups)
    ]
    curves = [curve for group in groups for curve in group.curves]
    is_crowded = len(groups) > MOST_DETAILED and len(curves) > len(groups)
    if any(curve.best_epoch for curve in curves):
        label = "mean best epoch" if is_crowded else "best epoch"
        lines.append(Line2D([], [], color=QUIET, marker="o", linestyle="", markersize=5, label=label))
    if any(curve.stopped_early for curve in curves) and not is_crowded:
        lines.append(Line2D([], [], color=QUIET, marker="x", linestyle="", markersize=6, label="stopped early"))
    return lines
