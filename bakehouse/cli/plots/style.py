"""What all pictures have in common: colours, fonts, and texts that have to fit."""

import textwrap
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType, RcKeyType

# Okabe and Ito (2008): told apart by colour-blind readers too, on white and in grey.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#5b5b5b", "#b8860b", "#56b4e9", "#7a3e9d")
DASHES: tuple[LineStyleType, ...] = ("-", "--", ":", "-.")
QUIET = "#5c5c5c"
LINE = "#d9d9d9"
MOST_CHARACTERS = 40
SETTINGS: Mapping[RcKeyType, object] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#9a9a9a",
    "axes.labelcolor": QUIET,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "text.parse_math": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    # Otherwise the ids in an SVG differ each time.
    "svg.hashsalt": "bakehouse",
}


def colour_of(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def dash_of(index: int) -> LineStyleType:
    """Returns the dash of a line: lines of the same colour have different ones."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def clip(text: str, most: int = MOST_CHARACTERS) -> str:
    """Returns a text without control characters, which fonts do not have. Of a long one, the middle is left out: names
    of arms often differ at their ends."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    if len(plain) <= most:
        return plain
    return f"{plain[: most // 2 - 1]}…{plain[len(plain) - most // 2 :]}"


def two_lines(text: str) -> str:
    """Returns a name in one line or two; of a longer one, the beginning and the end."""
    plain = clip(text, len(text))
    lines = textwrap.wrap(plain, MOST_CHARACTERS)
    if len(lines) > 2:
        lines = [f"{plain[: MOST_CHARACTERS - 1]}…", plain[1 - MOST_CHARACTERS :]]
    return "\n".join(lines)


def tidy(axes: Axes, *, grid: str) -> None:
    """Takes away what carries no numbers, and draws thin lines along one axis."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=LINE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
