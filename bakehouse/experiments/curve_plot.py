"""Draws a metric over the epochs as SVG: the mean of each arm over its runs, and a band from lowest to highest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from xml.etree import ElementTree as ET

from bakehouse.experiments.svg import Scale, add, as_text, new_picture, printable, round_step, write

WIDTH = 820
HEIGHT = 340
LEFT = 58
RIGHT = 210
TOP = 14
BOTTOM = 46
LEGEND_ROW = 20
MOST_CHARACTERS = 25
MOST_CURVES = 8
MOST_RUNS = 20
"""The runs of an arm that make its curve, those with the lowest seeds."""
# Told apart without colour by their dashes, too. Each is for light and for dark screens.
COLOURS = (
    ("#17457a", "#7fb2ea"), ("#b4541a", "#f0a168"), ("#2b7a3d", "#7ccf90"), ("#8a2f7d", "#dd92d1"),
    ("#8a6d00", "#d9bd4f"), ("#0f7a80", "#67c9cf"), ("#a3263b", "#f08c9b"), ("#555555", "#bbbbbb"),
)  # fmt: skip
DASHES = ("none", "7 3", "2 3", "9 3 2 3")
STYLE = """
.curves .paper{fill:#fff}.curves .ink{fill:#1c1c1c}.curves .quiet{fill:#5c5c5c}.curves .line{stroke:#dcdcdc}
.curves .band{fill-opacity:.14}.curves .mean{fill:none;stroke-width:1.8}
@media(prefers-color-scheme:dark){
.curves .paper{fill:#161616}.curves .ink{fill:#ececec}.curves .quiet{fill:#a8a8a8}.curves .line{stroke:#3a3a3a}}
"""


@dataclass(frozen=True)
class ArmCurve:
    """A metric of an arm over the epochs that all of its runs have reached."""

    name: str
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def arm_curve(name: str, runs: Sequence[Mapping[int, float]]) -> ArmCurve:
    """Returns the curve of an arm from those of its runs: each has finite values by epoch."""
    epochs = tuple(sorted(set.intersection(*(set(run) for run in runs)))) if runs else ()
    values = [[run[epoch] for run in runs] for epoch in epochs]
    return ArmCurve(
        name=name,
        epochs=epochs,
        mean=tuple(fsum(each) / len(each) for each in values),
        low=tuple(map(min, values)),
        high=tuple(map(max, values)),
    )


def draw_curve_plot(curves: Sequence[ArmCurve], metric: str) -> str:
    """Returns an SVG document that needs nothing else; at least one curve has an epoch."""
    shown = [curve for curve in curves if curve.epochs][:MOST_CURVES]
    names = ", ".join(curve.name for curve in shown)
    style = STYLE + "".join(rules_of(index) for index in range(len(shown)))
    svg = new_picture(WIDTH, HEIGHT, class_="curves", label=f"{metric} over the epochs of {names}", style=style)
    last = max(curve.epochs[-1] for curve in shown)
    ends = [end for curve in shown for end in (*curve.low, *curve.high)]
    y = Scale(ends, first=HEIGHT - BOTTOM, last=TOP, metric=metric)
    x = EpochScale(last)
    draw_axes(svg, x, y, metric)
    for index, curve in enumerate(shown):
        draw_curve(svg, x, y, curve, index)
        draw_legend(svg, curve.name, index)
    return as_text(svg)


def rules_of(index: int) -> str:
    """Returns the colours of a curve, for light and dark screens."""
    light, dark = COLOURS[index]
    rule = ".curves .c{0} .mean{{stroke:{1}}}.curves .c{0} .band{{fill:{1}}}"
    return f"{rule.format(index, light)}@media(prefers-color-scheme:dark){{{rule.format(index, dark)}}}\n"


@dataclass(frozen=True)
class EpochScale:
    """Places epochs between the left and the right end of the plot."""

    last: int

    def place(self, epoch: int) -> float:
        return round(LEFT + (epoch - 1) / max(1, self.last - 1) * (WIDTH - RIGHT - LEFT), 1)

    def ticks(self) -> list[int]:
        """Returns the first epoch and up to six round ones."""
        step = max(1, round(round_step(self.last / 6)))
        return sorted({1, *range(step, self.last + 1, step)})


def draw_axes(svg: ET.Element, x: EpochScale, y: Scale, metric: str) -> None:
    for value, text in y.ticks():
        place = y.place(value)
        add(svg, "line", x1=LEFT, x2=WIDTH - RIGHT, y1=place, y2=place, class_="line")
        write(svg, text, x=LEFT - 8, y=place + 4, class_="quiet", anchor="end")
    for epoch in x.ticks():
        write(svg, f"{epoch:,}", x=x.place(epoch), y=HEIGHT - BOTTOM + 16, class_="quiet", anchor="middle")
    unit = " in %" if y.factor == 100 else ""
    middle = (LEFT + WIDTH - RIGHT) / 2
    write(svg, f"{metric}{unit} by epoch", x=middle, y=HEIGHT - 11, class_="quiet", anchor="middle")


def draw_curve(svg: ET.Element, x: EpochScale, y: Scale, curve: ArmCurve, index: int) -> None:
    group = add(svg, "g", class_=f"c{index}")
    there = [(x.place(epoch), y.place(value)) for epoch, value in zip(curve.epochs, curve.high, strict=True)]
    back = [(x.place(epoch), y.place(value)) for epoch, value in zip(curve.epochs, curve.low, strict=True)]
    add(group, "polygon", points=points([*there, *reversed(back)]), class_="band")
    mean = [(x.place(epoch), y.place(value)) for epoch, value in zip(curve.epochs, curve.mean, strict=True)]
    add(group, "polyline", points=points(mean), class_="mean", stroke_dasharray=DASHES[index % len(DASHES)])
    add(group, "title").text = printable(curve.name)


def draw_legend(svg: ET.Element, name: str, index: int) -> None:
    group = add(svg, "g", class_=f"c{index}")
    left, place = WIDTH - RIGHT + 14, TOP + LEGEND_ROW * (index + 0.5)
    dashes = DASHES[index % len(DASHES)]
    add(group, "line", x1=left, x2=left + 24, y1=place, y2=place, class_="mean", stroke_dasharray=dashes)
    short = name if len(name) <= MOST_CHARACTERS else name[: MOST_CHARACTERS - 1] + "…"
    write(group, short, x=left + 30, y=place + 4, class_="ink")


def points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
