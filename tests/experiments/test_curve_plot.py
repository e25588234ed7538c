from xml.etree import ElementTree as ET

import pytest

from bakehouse.experiments.curve_plot import MOST_CURVES, EpochScale, arm_curve, draw_curve_plot

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = arm_curve("plain", [{1: 0.5, 2: 0.7, 3: 0.8}, {1: 0.6, 2: 0.9}])
NORM = arm_curve("<norm>", [{1: 0.8, 2: 0.9, 3: 0.95}])


def draw(*curves: object) -> ET.Element:
    return ET.fromstring(draw_curve_plot(curves, "validation_accuracy"))  # type: ignore[arg-type] # noqa: S314 (drawn here)


def test_a_curve_is_the_mean_and_range_over_the_epochs_that_all_runs_have_reached() -> None:
    assert (PLAIN.epochs, PLAIN.low, PLAIN.high) == ((1, 2), (0.5, 0.7), (0.6, 0.9))
    assert PLAIN.mean == pytest.approx((0.55, 0.8))
    assert arm_curve("none", []).epochs == ()


def test_each_arm_has_a_line_a_band_and_a_name_beside_the_plot() -> None:
    svg = draw(PLAIN, NORM)
    means = [line.attrib["points"].split() for line in svg.iter(f"{SVG}polyline")]
    assert [len(points) for points in means] == [2, 3]
    assert [len(band.attrib["points"].split()) for band in svg.iter(f"{SVG}polygon")] == [4, 6]
    first, second = (float(point.split(",")[1]) for point in means[0])
    assert second < first, "higher values are further up"
    texts = [each.text for each in svg.iter(f"{SVG}text")]
    assert {"plain", "<norm>", "validation_accuracy in % by epoch", "1", "3", "60", "80"} <= set(texts)


def test_arms_without_an_epoch_are_left_out_and_few_are_drawn() -> None:
    many = [arm_curve(f"arm {index}", [{1: index / 10}]) for index in range(MOST_CURVES + 3)]
    svg = draw(arm_curve("none", []), *many)
    assert len([*svg.iter(f"{SVG}polyline")]) == MOST_CURVES
    assert "none" not in [each.text for each in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("last", "ticks"),
    [(1, [1]), (5, [1, 2, 3, 4, 5]), (60, [1, 10, 20, 30, 40, 50, 60]), (150, [1, 50, 100, 150])],
)
def test_epochs_have_few_round_ticks(last: int, ticks: list[int]) -> None:
    assert EpochScale(last).ticks() == ticks
