"""Writes pictures as SVG."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from bakehouse.experiments.words import unit_of


def new_picture(width: float, height: float, *, class_: str, label: str, style: str) -> ET.Element:
    """Returns a picture with its background. Its rules of style start with its class, because beside other pictures, on
    a page or in a notebook, they must not style those."""
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "class": class_,
            "aria-label": printable(label),
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
        },
    )
    add(svg, "style").text = style
    add(svg, "rect", width=width, height=height, class_="paper")
    return svg


def as_text(svg: ET.Element) -> str:
    return ET.tostring(svg, encoding="unicode")


def add(parent: ET.Element, tag: str, **attributes: str | float) -> ET.Element:
    names = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, names)


def write(parent: ET.Element, text: str, *, x: float, y: float, class_: str, anchor: str = "start") -> None:
    add(parent, "text", x=round(x, 1), y=y, class_=class_, text_anchor=anchor).text = printable(text)


def printable(text: str) -> str:
    """Replaces control characters, which XML does not have."""
    return "".join(character if character.isprintable() else "?" for character in text)


class Scale:
    """Places values of a metric between two ends of a plot, in pixels."""

    def __init__(self, values: Sequence[float], *, first: float, last: float, metric: str) -> None:
        self.factor = 1 if unit_of(metric) is None else 100
        self.is_empty = not values
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        margin = (high - low) * 0.03 or abs(high) * 0.01 or 0.01
        self.low = low - margin
        self.high = high + margin
        self.first = first
        self.last = last

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

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
