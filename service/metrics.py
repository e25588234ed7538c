"""A run's log as columns, for curves."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bakehouse.model import Model
from bakehouse.runs.run import Event
from bakehouse.runs.store import Store

PAGE = 1000
PLACES = ("epoch", "step")

Number = int | float | None
Row = dict[str, Number]
Columns = dict[str, tuple[Number, ...]]


class Metrics(Model):
    """Numbers by epoch and by step; null where a row has none, or none that is finite."""

    epochs: Columns
    """`epoch` (from 1), `step`, and a column for each metric of an epoch."""
    steps: Columns
    """`step`, and a column for each metric of a step."""


def all_events(store: Store, run_id: str) -> Iterator[Event]:
    """The whole log, page by page."""
    after = 0
    while events := store.events(run_id, after=after, limit=PAGE):
        yield from events
        after = events[-1].seq


def read_metrics(events: Iterable[Event], *, names: Sequence[str], max_points: int | None) -> Metrics:
    """The named columns (all, if none is named), thinned to about `max_points` rows each."""
    rows: dict[str, list[Row]] = {place: [] for place in PLACES}
    for event in events:
        if event.type in PLACES:
            rows[event.type].append(numbers(event.data, names))
    epochs, steps = (columns(thinned(rows[place], max_points)) for place in PLACES)
    return Metrics(epochs=epochs, steps=steps)


def numbers(data: dict[str, Any], names: Sequence[str]) -> Row:
    """What is a number or was one, of the wanted names; where the row stands is always wanted."""
    wanted = {*PLACES, *names} if names else data.keys()
    return {
        name: value
        for name, value in data.items()
        if name in wanted and (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
    }


def columns(rows: Sequence[Row]) -> Columns:
    """Rows turned on their side; places first, then by first appearance."""
    seen = dict.fromkeys(name for row in rows for name in row)
    names = [*(name for name in PLACES if name in seen), *(name for name in seen if name not in PLACES)]
    return {name: tuple(row.get(name) for row in rows) for name in names}


def thinned(rows: Sequence[Row], max_points: int | None) -> Sequence[Row]:
    """First, last, and each column's lowest and highest row in each of as many stretches as there is room for.

    Peaks survive. At least the extremes of the whole are kept, also where `max_points` has no room for them.
    """
    if max_points is None or len(rows) <= max_points:
        return rows
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in PLACES]
    stretches = max(1, (max_points - 2) // max(1, 2 * len(names)))
    kept = {0, len(rows) - 1}
    for stretch in range(stretches):
        part = range(len(rows) * stretch // stretches, len(rows) * (stretch + 1) // stretches)
        kept |= extremes(rows, part, names)
    return [rows[index] for index in sorted(kept)]


def extremes(rows: Sequence[Row], part: range, names: Iterable[str]) -> set[int]:
    """Where in this part each column is lowest and highest."""
    found: set[int] = set()
    for name in names:
        values = [(value, index) for index in part if (value := rows[index].get(name)) is not None]
        if values:
            found |= {min(values)[1], max(values)[1]}
    return found


def as_csv(metrics: Metrics) -> str:
    """One table: rows by epoch, then rows by step; the first column tells them apart."""
    tables = {"epoch": metrics.epochs, "step": metrics.steps}
    names = dict.fromkeys([*PLACES, *metrics.epochs, *metrics.steps])
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=["by", *names], lineterminator="\n")
    writer.writeheader()
    for by, table in tables.items():
        for values in zip(*table.values(), strict=True):
            writer.writerow({"by": by, **dict(zip(table, values, strict=True))})
    return text.getvalue()
