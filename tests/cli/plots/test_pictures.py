"""The pictures of experiments and runs: everything is inside, and no label covers another."""

from itertools import combinations, product
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from bakehouse.cli.plots.curves import Curve, Group, Row, draw_curves, values_by_epoch
from bakehouse.cli.plots.dots import draw_dots
from bakehouse.cli.plots.interactions import draw_interactions
from bakehouse.cli.plots.style import clip, two_lines
from bakehouse.experiments.experiment import ExperimentArm
from bakehouse.experiments.results import compute_results
from tests.experiments.measured_arms import Values, ask, factorial_of, runs_of

TEN: Values = {
    f"norm=group_norm(num_groups={2**number}, eps=0.0001), $optimizer$=sgd(lr=0.1, momentum=0.9)": [
        0.9 + number / 100,
        0.91,
        0.9 - number / 100,
    ]
    for number in range(10)
}
LEVELS = list(product((False, True), repeat=3))


def lay_out(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]


def texts_of(figure: Figure) -> list[Text]:
    """The texts that are seen, after the picture was laid out."""
    lay_out(figure)
    found: list[Text] = figure.findobj(Text)
    # Ticks beyond the ends of an axis exist, and are not drawn.
    ticks = {tick: axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks()}
    hidden = [tick.label1 for tick, axis in ticks.items() if not is_between(tick.get_loc(), *axis.get_view_interval())]
    return [text for text in found if text.get_visible() and text.get_text().strip() and text not in hidden]


def is_between(place: float, one: float, other: float) -> bool:
    return min(one, other) <= place <= max(one, other)


def require_legible(figure: Figure) -> None:
    """Fails unless all texts are inside the picture, and none covers another."""
    texts = texts_of(figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    outside = [name for name, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    assert outside == []
    assert [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)] == []


def test_ten_arms_with_long_names_are_legible() -> None:
    results = compute_results(ask(TEN), runs_of(TEN))
    figure = draw_dots(results)
    require_legible(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == 10
    assert all("$optimizer$" in label or "momentum=0.9)" in label for label in labels)


def test_an_arm_without_a_value_and_equal_values_are_drawn() -> None:
    values: Values = {"plain": [0.5, 0.5, 0.5], "failed": [None, None, None]}
    figure = draw_dots(compute_results(ask(values), runs_of(values)))
    require_legible(figure)
    assert {"no value", "50.0 %"} <= {text.get_text() for text in texts_of(figure)}


def test_an_experiment_without_a_value_is_drawn() -> None:
    values: Values = {"plain": [None], "other": [None]}
    require_legible(draw_dots(compute_results(ask(values), runs_of(values))))


@pytest.mark.parametrize("count", [1, 3, 10])
def test_curves_have_a_band_and_marks(count: int) -> None:
    def curve(seed: int) -> Curve:
        rows = [{"epoch": epoch, "validation_loss": 1 / (epoch + seed)} for epoch in range(1, 9 - seed)]
        return Curve(rows, best_epoch=len(rows), stopped_early=seed > 0)

    groups = [Group(name, [curve(seed) for seed in range(3)], "validation_loss") for name in list(TEN)[:count]]
    figure = draw_curves(groups, label="validation_loss", title="mean, and the range of 3 runs")
    require_legible(figure)
    [axes] = figure.axes
    # A mean ends where the first of its runs does, and beside it stand all three where there is room.
    assert len(axes.collections) == count
    assert len(axes.lines[0].get_xdata()) == 6  # type: ignore[arg-type]
    assert len(axes.lines) == (count * 2 if count == 10 else count * (1 + 3 + 3 + 2))


def test_a_loss_that_is_not_finite_leaves_a_gap_and_the_rest_is_drawn() -> None:
    rows: list[Row] = [{"epoch": 1, "validation_loss": 0.5}, {"epoch": 2, "validation_loss": None}]
    assert Curve(rows).points("validation_loss", 1) == [(1, 0.5)]
    assert values_by_epoch([[(1, 0.5), (2, 0.4)], [(1, 0.7)]]) == {1: [0.5, 0.7]}


def test_each_pair_of_factors_has_a_panel() -> None:
    names = [f"arm {number}" for number in range(8)]
    values: Values = {name: [0.8 + number / 100, 0.81 + number / 90] for number, name in enumerate(names)}
    factors = ("batch_norm", "dropout", "a very long name of an ingredient")
    results = compute_results(factorial_of(values, factors), runs_of(values))
    arms = [
        ExperimentArm(name=name, differs={}, recipe_group_sha256="", parameters=1, levels=levels)
        for name, levels in zip(names, LEVELS, strict=True)
    ]
    figure = draw_interactions(results, factors, arms)
    lay_out(figure)
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 3
    assert figure.axes[0].get_title().startswith("no clear effect\n")
    assert len(figure.axes[0].lines) == 2


def test_names_are_cut_in_the_middle(tmp_path: Path) -> None:
    assert clip("a" * 30 + "b" * 30, 20) == "a" * 9 + "…" + "b" * 10
    assert clip("a\x1bb") == "a?b"
    assert two_lines("a" * 50 + "b" * 50) == "a" * 39 + "…\n" + "b" * 39
    assert two_lines("two words") == "two words"
