"""A run as HTML for notebooks: its best and test metrics, and its losses as inline SVG, without scripts and without
content from other hosts."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from bakehouse.plurals import count_of
from bakehouse.runs.run import Best, Run

WIDTH = 480
HEIGHT = 120
COLOURS = {"train_loss": "#7a869a", "validation_loss": "#c2410c"}
BEST_COLOUR = "#16a34a"
STOP_COLOUR = "#b91c1c"

Row = Mapping[str, float | None]


def html(run: Run, rows: Sequence[Row], *, note: str = "") -> str:
    """Returns a line about the run, the metrics of its best epoch, and its loss curves; or a note in their place."""
    name = f" {run.name}" if run.name else ""
    line = f"{run.id}{name} {run.status}, epoch {run.progress.epoch} of {run.progress.epochs}"
    metrics = best_table(run.best) if run.best else ""
    curve = f"<em>{escape(note)}</em>" if note else svg(run, rows)
    return f"<div><code>{escape(line)}</code>{metrics}<br/>{curve}</div>"


def best_table(best: Best) -> str:
    """Returns the metrics of the best epoch, those of the test split last."""
    values = {best.monitor: best.value, **best.metrics}
    names = sorted(values, key=lambda name: name.startswith("test_"))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    cells = "".join(f"<td>{format_value(values[name])}</td>" for name in names)
    return f"<table><tr><th></th>{head}</tr><tr><th>best epoch {best.epoch}</th>{cells}</tr></table>"


def format_value(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def svg(run: Run, rows: Sequence[Row]) -> str:
    """Returns a plot of the training and validation loss over the epochs, with marks at the best epoch and at the end
    of a run that stopped before its last epoch."""
    values = [value for row in rows for name in COLOURS if (value := row.get(name)) is not None]
    if not values:
        return "<em>no epoch is complete</em>"
    low = min(values)
    high = max(values)
    lines = "".join(polylines(rows, name, low=low, high=high) for name in COLOURS)
    marks = marks_of(run)
    colours = COLOURS | {text: colour for text, (_, colour) in marks.items()}
    legend = " ".join(f'<tspan fill="{colour}">{escape(text)}</tspan>' for text, colour in colours.items())
    lines += "".join(marker(epoch, rows, colour) for epoch, colour in marks.values() if 0 < epoch <= len(rows))
    label = f"{low:.4g} to {high:.4g} over {count_of(len(rows), 'epoch')}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 32}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(", ".join(["Losses", label, *marks]))}">'
        f'{lines}<text x="2" y="{HEIGHT + 12}" font-size="11">{legend}</text>'
        f'<text x="2" y="{HEIGHT + 27}" font-size="11">{label}</text></svg>'
    )


def marks_of(run: Run) -> dict[str, tuple[int, str]]:
    """Returns the epochs that are marked in the plot, by their text, each with its colour."""
    marks = {}
    if run.best is not None:
        marks[f"best epoch {run.best.epoch}"] = (run.best.epoch, BEST_COLOUR)
    if run.is_over and run.progress.epoch < run.progress.epochs:
        marks[f"stopped at epoch {run.progress.epoch}"] = (run.progress.epoch, STOP_COLOUR)
    return marks


def polylines(rows: Sequence[Row], name: str, *, low: float, high: float) -> str:
    """Returns a polyline for each stretch of finite losses; an epoch without a finite loss leaves a gap."""
    points = [(x_of(index, rows), row.get(name)) for index, row in enumerate(rows)]
    drawn = ""
    for is_gap, stretch in groupby(points, key=lambda point: point[1] is None):
        if not is_gap:
            text = " ".join(f"{x:.1f},{y_of(value or 0.0, low, high):.1f}" for x, value in stretch)
            drawn += f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="1.5" points="{text}"/>'
    return drawn


def marker(epoch: int, rows: Sequence[Row], colour: str) -> str:
    x = x_of(epoch - 1, rows)
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}" stroke="{colour}" stroke-dasharray="3"/>'


def x_of(index: int, rows: Sequence[Row]) -> float:
    # A run with a single epoch would otherwise divide by zero.
    return index / max(1, len(rows) - 1) * WIDTH


def y_of(value: float, low: float, high: float) -> float:
    # SVG counts y from the top.
    return (high - value) / (high - low or 1.0) * (HEIGHT - 4) + 2
