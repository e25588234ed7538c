"""Draws how two ingredients of a factorial work together: parallel lines do not interact."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bakehouse.cli.plots.dots import axis_label, factor_of
from bakehouse.cli.plots.style import QUIET, clip, colour_of, tidy
from bakehouse.experiments.answer import Results
from bakehouse.experiments.experiment import ExperimentArm
from bakehouse.experiments.words import difference_text

COLUMNS = 3
PANEL_INCHES = 3.3


def draw_interactions(results: Results, factors: Sequence[str], arms: Sequence[ExperimentArm]) -> Figure:
    """Returns a panel for each two factors: the mean over all arms with the first off or on, a line for the second."""
    pairs = list(combinations(range(len(factors)), 2))
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(max(5.0, PANEL_INCHES * columns), 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    means = {arm.name: arm.mean for arm in results.arms if arm.mean is not None}
    factor = factor_of(results.metric)
    for axes, (first, second) in zip(panels, pairs, strict=False):
        draw_pair(axes, factors, arms, means, first, second, factor)
        axes.set_title(pair_title(results, factors[first], factors[second]), fontsize=9)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    figure.supylabel(axis_label(results), fontsize=10, color=QUIET)
    return figure


def draw_pair(
    axes: Axes, factors: Sequence[str], arms: Sequence[ExperimentArm], means: dict[str, float],
    first: int, second: int, factor: int,
) -> None:  # fmt: skip
    # The dashed line comes second, so that both are seen where they are the same.
    for is_on in (True, False):
        values = [
            [
                means[arm.name]
                for arm in arms
                if arm.levels[first] == x and arm.levels[second] == is_on and arm.name in means
            ]
            for x in (False, True)
        ]
        if not all(values):
            continue
        label = f"{'with' if is_on else 'without'} {clip(factors[second], 22)}"
        axes.plot([0, 1], [factor * fmean(each) for each in values], "-o" if is_on else "--o", label=label,
                  color=colour_of(int(is_on)), linewidth=1.8, markersize=6)  # fmt: skip
    name = clip(factors[first], 22)
    axes.set_xticks([0, 1], [f"without\n{name}", f"with\n{name}"])
    axes.set_xlim(-0.25, 1.25)
    axes.margins(y=0.18)
    axes.legend(frameon=False, fontsize=8, loc="best")
    tidy(axes, grid="y")


def pair_title(results: Results, first: str, second: str) -> str:
    """Returns the interaction of two factors with its verdict."""
    found = next((each for each in results.effects if set(each.ingredients) == {first, second}), None)
    if found is None:
        return ""
    return f"{found.verdict}\n{difference_text(found, results.metric)}"
