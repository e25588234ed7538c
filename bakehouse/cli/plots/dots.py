"""Draws the arms of an experiment: each value a dot, each mean with its 95 % interval."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakehouse.cli.plots.style import COLOURS, LINE, QUIET, clip, new_figure, tidy, two_lines
from bakehouse.experiments.answer import ArmResult, Results
from bakehouse.experiments.dot_plot import chosen_arms
from bakehouse.experiments.words import unit_of, value_text

DARK = "#17457a"
ROW_INCHES = 0.34
ROW_INCHES_OF_TWO_LINES = 0.44
# Dots of equal values lie beside each other.
SHIFTS = (0.0, -0.16, 0.16, -0.08, 0.08)
SENTENCE_CHARACTERS = 118
MOST_SENTENCE_CHARACTERS = 400


def draw_dots(results: Results) -> Figure:
    """Returns a row for each arm, the first at the top."""
    arms = chosen_arms(results)
    names = [two_lines(arm.name) for arm in arms]
    row_inches = ROW_INCHES_OF_TWO_LINES if any("\n" in name for name in names) else ROW_INCHES
    sentence = textwrap.shorten(clip(results.sentence, 4000), MOST_SENTENCE_CHARACTERS, placeholder=" …")
    title = "\n".join(textwrap.wrap(sentence, SENTENCE_CHARACTERS))
    figure, axes = new_figure(9.0, 1.2 + row_inches * max(2, len(arms)) + 0.18 * title.count("\n"))
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    for row, arm in enumerate(arms):
        draw_arm(axes, arm, row, results.metric)
    draw_baseline(axes, arms, results)
    axes.set_yticks(range(len(arms)), names, fontsize=9)
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel(axis_label(results))
    if all(arm.mean is None for arm in arms):
        axes.set_xticks([])
    tidy(axes, grid="x")
    axes.spines["left"].set_color(LINE)
    return figure


def draw_baseline(axes: Axes, arms: Sequence[ArmResult], results: Results) -> None:
    mean = next((arm.mean for arm in arms if arm.name == results.baseline), None)
    if mean is not None:
        axes.axvline(factor_of(results.metric) * mean, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def draw_arm(axes: Axes, arm: ArmResult, row: int, metric: str) -> None:
    """Draws the values of an arm, the mean and the interval, and writes them on the right."""
    factor = factor_of(metric)
    for index, value in enumerate(arm.values.values()):
        shift = SHIFTS[index % len(SHIFTS)]
        axes.plot(factor * value, row + shift, "o", color=COLOURS[0], alpha=0.4, markersize=4.5, markeredgewidth=0)
    if arm.interval is not None:
        axes.plot([factor * end for end in arm.interval], [row, row], color=DARK, linewidth=2, zorder=3)
    text = "no value"
    if arm.mean is not None:
        axes.plot(factor * arm.mean, row, "o", color=DARK, markersize=7, zorder=4)
        text = value_text(arm.mean, arm.interval, metric)
    axes.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)


def factor_of(metric: str) -> int:
    """Returns 100 for a metric that is a share, which is drawn in %."""
    return 1 if unit_of(metric) is None else 100


def axis_label(results: Results) -> str:
    """Returns the metric, its unit, and which direction is better."""
    unit = "" if unit_of(results.metric) is None else " in %"
    return f"{results.metric}{unit}, {'higher' if results.higher_is_better else 'lower'} is better"
