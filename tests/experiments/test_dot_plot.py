from xml.etree import ElementTree as ET

from bakehouse.experiments.dot_plot import MOST_ARMS, draw_dot_plot
from bakehouse.experiments.results import compute_results
from tests.experiments.measured_arms import Values, ask, runs_of

SVG = "{http://www.w3.org/2000/svg}"


def draw(values: Values, metric: str = "validation_accuracy") -> ET.Element:
    results = compute_results(ask(values, metric=metric), runs_of(values))
    return ET.fromstring(draw_dot_plot(results))  # noqa: S314 (drawn here)


def circles(svg: ET.Element, kind: str) -> list[float]:
    return [float(each.attrib["cx"]) for each in svg.iter(f"{SVG}circle") if each.attrib["class"] == kind]


def test_without_values_there_is_no_scale() -> None:
    assert texts(draw({"plain": (None,), "norm": (None,)})) == [
        "validation_accuracy in %, higher is better", "plain", "no value", "norm", "no value",
    ]  # fmt: skip


def texts(svg: ET.Element) -> list[str | None]:
    return [each.text for each in svg.iter(f"{SVG}text")]


def test_each_value_is_a_dot_and_each_mean_has_its_interval() -> None:
    svg = draw({"plain": (0.90, 0.92), "norm": (0.95, 0.97)})
    dots = circles(svg, "dot")
    assert dots == sorted(dots)
    assert len(set(dots)) == 4
    plain, norm = circles(svg, "mean")
    assert dots[0] < plain < dots[1] < dots[2] < norm < dots[3]
    lines = [each for each in svg.iter(f"{SVG}line") if each.attrib["class"] == "interval"]
    ends = [(float(line.attrib["x1"]), float(line.attrib["x2"])) for line in lines]
    assert ends[0][0] < plain < ends[0][1]
    assert ends[1][0] < norm < ends[1][1]
    assert "96.0 % (83.3 to 108.7)" in texts(svg)


def test_the_axis_has_round_values_in_the_unit_of_the_metric() -> None:
    assert {"90", "92", "94", "96"} <= set(texts(draw({"plain": (0.89,), "norm": (0.97,)})))
    assert {"0.2", "0.4"} <= set(texts(draw({"plain": (0.11,), "norm": (0.55,)}, metric="validation_loss")))


def test_arms_without_a_value_are_drawn_too() -> None:
    svg = draw({"plain": (None, None), "norm": ()})
    assert texts(svg).count("no value") == 2
    assert circles(svg, "mean") == []


def test_a_name_is_text_whatever_is_in_it() -> None:
    svg = draw({"<script>\x1b&": (0.9,), "b" * 90: (0.9,)})
    assert "<script>?&" in texts(svg)
    assert any(text and text.endswith("…") and len(text) < 40 for text in texts(svg))


def test_of_many_arms_the_baseline_and_the_best_are_drawn() -> None:
    svg = draw({f"arm {number}": (0.5 + number / 1000,) for number in range(100)})
    assert len(circles(svg, "mean")) == MOST_ARMS
    assert {"arm 0", "arm 99"} <= set(texts(svg))
    assert "arm 1" not in texts(svg)
