"""A run's losses as inline SVG for notebooks, without scripts and without content from other hosts."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from bakehouse.runs.run import Run

WIDTH = 480
HEIGHT = 120
COLOURS = {"train_loss": "#7a869a", "validation_loss": "#c2410c"}

Row = Mapping[str, float | None]


def html(run: Run, rows: Sequence[Row]) -> str:
    """Returns a line about the run, and its loss curves."""
    best = f", best epoch {run.best.epoch}: {run.best.monitor} {run.best.value:.4g}" if run.best else ""
    line = f"{run.id} {run.status}, epoch {run.progress.epoch} of {run.progress.epochs}{best}"
    return f"<div><code>{escape(line)}</code><br>{svg(run, rows)}</div>"


def svg(run: Run, rows: Sequence[Row]) -> str:
    """Returns a plot of the training and validation loss over the epochs, with a mark at the best epoch."""
    values = [value for row in rows for name in COLOURS if (value := row.get(name)) is not None]
    if not values:
        return "<em>no epoch is complete</em>"
    low = min(values)
    high = max(values)
    lines = "".join(polylines(rows, name, low=low, high=high) for name in COLOURS)
    legend = " ".join(f'<tspan fill="{colour}">{name}</tspan>' for name, colour in COLOURS.items())
    label = f"{low:.4g} to {high:.4g} over {len(rows)} epochs"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 16}" width="{WIDTH}" role="img" aria-label="Losses, {label}">'
        f'{lines}{marker(run, rows)}<text x="2" y="{HEIGHT + 12}" font-size="11">{legend} {label}</text></svg>'
    )


def polylines(rows: Sequence[Row], name: str, *, low: float, high: float) -> str:
    """Returns a polyline for each stretch of finite losses; an epoch without a finite loss leaves a gap."""
    points = [(x_of(index, rows), row.get(name)) for index, row in enumerate(rows)]
    drawn = ""
    for is_gap, stretch in groupby(points, key=lambda point: point[1] is None):
        if not is_gap:
            text = " ".join(f"{x:.1f},{y_of(value or 0.0, low, high):.1f}" for x, value in stretch)
            drawn += f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="1.5" points="{text}"/>'
    return drawn


def marker(run: Run, rows: Sequence[Row]) -> str:
    if run.best is None or run.best.epoch > len(rows):
        return ""
    x = x_of(run.best.epoch - 1, rows)
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}" stroke="#16a34a" stroke-dasharray="3"/>'


def x_of(index: int, rows: Sequence[Row]) -> float:
    # A run with a single epoch would otherwise divide by zero.
    return index / max(1, len(rows) - 1) * WIDTH


def y_of(value: float, low: float, high: float) -> float:
    # SVG counts y from the top.
    return (high - value) / (high - low or 1.0) * (HEIGHT - 4) + 2
