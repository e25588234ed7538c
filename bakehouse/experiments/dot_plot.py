"""Draws the arms of an experiment as SVG: each value a dot, each mean with its 95 % interval."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from bakehouse.experiments.answer import ArmResult, Results
from bakehouse.experiments.svg import Scale, add, as_text, new_picture, printable, write
from bakehouse.experiments.words import value_text
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
    ends = [end for arm in arms for end in (*arm.values.values(), *(arm.interval or ()))]
    scale = Scale(ends, first=label_width, last=WIDTH - RIGHT, metric=results.metric)
    height = TOP + ROW * len(arms) + BOTTOM
    label = f"{results.metric} of {count_of(len(arms), 'arm')}. {results.sentence}"
    svg = new_picture(WIDTH, height, class_="dots", label=label, style=STYLE)
    draw_axis(svg, scale, bottom=TOP + ROW * len(arms), results=results, arms=arms)
    for index, arm in enumerate(arms):
        draw_arm(svg, scale, arm, y=TOP + ROW * (index + 0.5), metric=results.metric)
    return as_text(svg)


def chosen_arms(results: Results, most: int = MOST_ARMS) -> list[ArmResult]:
    """Returns the arms to draw: of many the baseline, those that a search compares with it, and the best ones."""
    arms = results.arms_to_read
    if len(arms) <= most:
        return list(arms)
    sign = 1 if results.higher_is_better else -1
    measured = [arm for arm in arms if arm.mean is not None]
    is_search = results.search is not None
    best = sorted(
        measured,
        key=lambda arm: (arm.name != results.baseline, is_search and not arm.takes_part, -sign * (arm.mean or 0.0)),
    )
    kept = {arm.name for arm in best[:most]}
    return [arm for arm in arms if arm.name in kept]


def draw_axis(svg: ET.Element, scale: Scale, *, bottom: float, results: Results, arms: Sequence[ArmResult]) -> None:
    for value, text in scale.ticks():
        x = scale.place(value)
        add(svg, "line", x1=x, x2=x, y1=TOP, y2=bottom, class_="line")
        write(svg, text, x=x, y=bottom + 15, class_="quiet", anchor="middle")
    better = "higher is better" if results.higher_is_better else "lower is better"
    unit = " in %" if scale.factor == 100 else ""
    middle = (scale.first + scale.last) / 2
    write(svg, f"{results.metric}{unit}, {better}", x=middle, y=bottom + 34, class_="quiet", anchor="middle")
    baseline = next((arm.mean for arm in arms if arm.name == results.baseline), None)
    if baseline is not None:
        x = scale.place(baseline)
        add(svg, "line", x1=x, x2=x, y1=TOP, y2=bottom, class_="base", stroke_dasharray="4 3")


def draw_arm(svg: ET.Element, scale: Scale, arm: ArmResult, *, y: float, metric: str) -> None:
    row = add(svg, "g")
    short = arm.name if len(arm.name) <= MOST_CHARACTERS else arm.name[: MOST_CHARACTERS - 1] + "…"
    write(row, short, x=scale.first - 12, y=y + 4, class_="ink", anchor="end")
    for index, value in enumerate(arm.values.values()):
        add(row, "circle", cx=scale.place(value), cy=y + SHIFTS[index % len(SHIFTS)], r=3, class_="dot")
    if arm.interval is not None:
        low, high = map(scale.place, arm.interval)
        add(row, "line", x1=low, x2=high, y1=y, y2=y, class_="interval", stroke_width=2)
    text = "no value"
    if arm.mean is not None:
        add(row, "circle", cx=scale.place(arm.mean), cy=y, r=4.5, class_="mean")
        text = value_text(arm.mean, arm.interval, metric)
    write(row, text, x=scale.last + 12, y=y + 4, class_="ink" if arm.mean is not None else "quiet")
    add(row, "title").text = printable(f"{arm.name}: {text}, n = {arm.n}")
