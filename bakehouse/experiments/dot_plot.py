"""Draws the arms of an experiment as SVG: each value a dot, each mean with its 95 % interval."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from bakehouse.experiments.answer import ArmResult, Results
from bakehouse.experiments.words import unit_of, value_text
from bakehouse.plurals import count_of

WIDTH = 820
ROW = 26
TOP = 14
BOTTOM = 46
CHARACTER = 6.7
"""Pixels of a character of 12 pixels in most fonts without serifs."""
MOST_CHARACTERS = 38
MOST_ARMS = 40
RIGHT = 176
# Dots of equal values lie beside each other.
SHIFTS = (0, -4, 4, -2, 2)
# Beside other pictures, on a page or in a notebook, the classes of this one must not style those.
STYLE = """
.dots .paper{fill:#fff}.dots .ink{fill:#1c1c1c}.dots .quiet{fill:#5c5c5c}
.dots .line{stroke:#dcdcdc}.dots .base{stroke:#8a8a8a}
.dots .dot{fill:#2563a8;fill-opacity:.38}.dots .mean{fill:#17457a}.dots .interval{stroke:#17457a}
@media(prefers-color-scheme:dark){
.dots .paper{fill:#161616}.dots .ink{fill:#ececec}.dots .quiet{fill:#a8a8a8}.dots .line{stroke:#3a3a3a}
.dots .dot{fill:#7fb2ea;fill-opacity:.45}.dots .mean{fill:#b9d7f7}.dots .interval{stroke:#b9d7f7}}
"""


def draw_dot_plot(results: Results) -> str:
    """Returns an SVG document that needs nothing else: the colours of light and dark screens are in it."""
    arms = chosen_arms(results)
    label_width = min(max((len(arm.name) for arm in arms), default=0), MOST_CHARACTERS) * CHARACTER + 18
    scale = Scale(arms, left=label_width, right=WIDTH - RIGHT, metric=results.metric)
    height = TOP + ROW * len(arms) + BOTTOM
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "width": str(WIDTH),
            "height": str(height),
            "role": "img",
            "class": "dots",
            "aria-label": printable(f"{results.metric} of {count_of(len(arms), 'arm')}. {results.sentence}"),
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
        },
    )
    add(svg, "style").text = STYLE
    add(svg, "rect", width=WIDTH, height=height, class_="paper")
    draw_axis(svg, scale, bottom=TOP + ROW * len(arms), results=results, arms=arms)
    for index, arm in enumerate(arms):
        draw_arm(svg, scale, arm, y=TOP + ROW * (index + 0.5), metric=results.metric)
    return ET.tostring(svg, encoding="unicode")


def chosen_arms(results: Results) -> list[ArmResult]:
    """Returns the arms to draw: of many the baseline, those that a search compares with it, and the best ones."""
    arms = results.arms_to_read
    if len(arms) <= MOST_ARMS:
        return list(arms)
    sign = 1 if results.higher_is_better else -1
    measured = [arm for arm in arms if arm.mean is not None]
    is_search = results.search is not None
    best = sorted(
        measured,
        key=lambda arm: (arm.name != results.baseline, is_search and not arm.takes_part, -sign * (arm.mean or 0.0)),
    )
    kept = {arm.name for arm in best[:MOST_ARMS]}
    return [arm for arm in arms if arm.name in kept]


class Scale:
    """Places values between the left and the right end of the plot."""

    def __init__(self, arms: Sequence[ArmResult], *, left: float, right: float, metric: str) -> None:
        self.factor = 1 if unit_of(metric) is None else 100
        ends = [end for arm in arms for end in (*arm.values.values(), *(arm.interval or ()))]
        self.is_empty = not ends
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        margin = (high - low) * 0.03 or abs(high) * 0.01 or 0.01
        self.low = low - margin
        self.high = high + margin
        self.left = left
        self.right = right

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns up to six round values with their text, in the unit of the axis; none if there is nothing to draw."""
        if self.is_empty:
            return []
        low, high = self.low * self.factor, self.high * self.factor
        step = round_step((high - low) / 5)
        places = max(0, -math.floor(math.log10(step)))
        first = math.ceil(low / step)
        values = [number * step for number in range(first, math.floor(high / step) + 1)]
        return [
            (value / self.factor, f"{value:.{places}f}" if abs(value) < 1e6 else f"{value:.3g}") for value in values
        ]


def round_step(least: float) -> float:
    """Returns the next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least * (1 - 1e-9))


def draw_axis(svg: ET.Element, scale: Scale, *, bottom: float, results: Results, arms: Sequence[ArmResult]) -> None:
    for value, text in scale.ticks():
        x = scale.place(value)
        add(svg, "line", x1=x, x2=x, y1=TOP, y2=bottom, class_="line")
        write(svg, text, x=x, y=bottom + 15, class_="quiet", anchor="middle")
    better = "higher is better" if results.higher_is_better else "lower is better"
    unit = " in %" if scale.factor == 100 else ""
    middle = (scale.left + scale.right) / 2
    write(svg, f"{results.metric}{unit}, {better}", x=middle, y=bottom + 34, class_="quiet", anchor="middle")
    baseline = next((arm.mean for arm in arms if arm.name == results.baseline), None)
    if baseline is not None:
        x = scale.place(baseline)
        add(svg, "line", x1=x, x2=x, y1=TOP, y2=bottom, class_="base", stroke_dasharray="4 3")


def draw_arm(svg: ET.Element, scale: Scale, arm: ArmResult, *, y: float, metric: str) -> None:
    row = add(svg, "g")
    short = arm.name if len(arm.name) <= MOST_CHARACTERS else arm.name[: MOST_CHARACTERS - 1] + "…"
    write(row, short, x=scale.left - 12, y=y + 4, class_="ink", anchor="end")
    for index, value in enumerate(arm.values.values()):
        add(row, "circle", cx=scale.place(value), cy=y + SHIFTS[index % len(SHIFTS)], r=3, class_="dot")
    if arm.interval is not None:
        low, high = map(scale.place, arm.interval)
        add(row, "line", x1=low, x2=high, y1=y, y2=y, class_="interval", stroke_width=2)
    text = "no value"
    if arm.mean is not None:
        add(row, "circle", cx=scale.place(arm.mean), cy=y, r=4.5, class_="mean")
        text = value_text(arm.mean, arm.interval, metric)
    write(row, text, x=scale.right + 12, y=y + 4, class_="ink" if arm.mean is not None else "quiet")
    add(row, "title").text = printable(f"{arm.name}: {text}, n = {arm.n}")


def add(parent: ET.Element, tag: str, **attributes: str | float) -> ET.Element:
    names = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, names)


def write(parent: ET.Element, text: str, *, x: float, y: float, class_: str, anchor: str = "start") -> None:
    add(parent, "text", x=round(x, 1), y=y, class_=class_, text_anchor=anchor).text = printable(text)


def printable(text: str) -> str:
    """Replaces control characters, which XML does not have."""
    return "".join(character if character.isprintable() else "?" for character in text)
