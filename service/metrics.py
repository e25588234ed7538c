"""Turns a run's log into columns of numbers, for curves."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from pydantic import JsonValue

from bakehouse.model import JsonObject, Model
from bakehouse.runs.run import Event
from bakehouse.runs.store import Store

EVENTS_PER_READ = 1000
INDEX_COLUMNS = ("epoch", "step")

Number = int | float | None
Row = dict[str, Number]
Columns = dict[str, tuple[Number, ...]]


class Totals(Model):
    """The numbers of rows in the log. `max_points` returns a part of the rows by step, but all by epoch."""

    epochs: int
    steps: int


class Metrics(Model):
    """Metrics by epoch and by step. A value is null if the log has none for this row, or if it was not finite."""

    total: Totals

    epochs: Columns
    """The columns `epoch` (from 1) and `step`, and one for each metric of an epoch. They are never thinned."""
    steps: Columns
    """The column `step`, and one for each metric of a step."""
    diagnostics: dict[str, dict[str, tuple[JsonValue, ...]]]
    """The columns of each diagnostic, by name: `epoch`, `step`, and one for each of its values: numbers, texts, or
    lists with one value per layer. They are not thinned."""


def read_all_events(store: Store, run_id: str) -> Iterator[Event]:
    after = 0
    while events := store.events(run_id, after=after, limit=EVENTS_PER_READ):
        yield from events
        after = events[-1].seq


def collect_metrics(events: Iterable[Event], *, names: Sequence[str], max_points: int | None) -> Metrics:
    """Returns the named columns (all if `names` is empty); the steps are thinned to about `max_points` rows.

    Every epoch is returned, because sums and marks over a part of them would be wrong; a recipe limits their number.
    """
    rows: dict[str, list[Row]] = {"epoch": [], "step": []}
    diagnosed: dict[str, list[JsonObject]] = {}
    for event in events:
        if event.type in rows:
            rows[event.type].append(numeric_values(event.data, names))
        elif event.type == "diagnostic" and (not names or event.data["name"] in names):
            diagnosed.setdefault(event.data["name"], []).append(event.data)
    return Metrics(
        total=Totals(epochs=len(rows["epoch"]), steps=len(rows["step"])),
        diagnostics={name: diagnostic_columns(found) for name, found in diagnosed.items()},
        epochs=columns(rows["epoch"]),
        steps=columns(thin_rows(rows["step"], max_points)),
    )


def numeric_values(data: JsonObject, names: Sequence[str]) -> Row:
    """Returns the numbers of the named columns and the index columns; None stands for one that was not finite."""
    wanted = {*INDEX_COLUMNS, *names} if names else data.keys()
    return {
        name: value
        for name, value in data.items()
        # A bool is an int in Python, but one such as `is_best` is not a metric.
        if name in wanted and (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
    }


def columns(rows: Sequence[Row]) -> Columns:
    """Turns rows into columns: first the index columns, then the others in the order of their first appearance."""
    seen = dict.fromkeys(name for row in rows for name in row)
    index = [name for name in INDEX_COLUMNS if name in seen]
    others = [name for name in seen if name not in INDEX_COLUMNS]
    return {name: tuple(row.get(name) for row in rows) for name in index + others}


def diagnostic_columns(found: Sequence[JsonObject]) -> dict[str, tuple[JsonValue, ...]]:
    """Turns the results of a diagnostic into columns."""
    names = dict.fromkeys(name for data in found for name in data if name not in ("name", "non_finite"))
    return {name: tuple(data.get(name) for data in found) for name in names}


def thin_rows(rows: Sequence[Row], max_points: int | None) -> Sequence[Row]:
    """Keeps the first row, the last row, and the rows of each column's lowest and highest value in every section.

    Sections are equal parts of the rows, as many as `max_points` allows. There is at least one, so that each column's
    overall extremes are always kept.
    """
    if max_points is None or len(rows) <= max_points:
        return rows
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in INDEX_COLUMNS]
    # 2 points are the first and last row; a section adds a lowest and a highest row per column.
    sections = max(1, (max_points - 2) // max(1, 2 * len(names)))
    kept = {0, len(rows) - 1}
    for section in range(sections):
        indexes = range(len(rows) * section // sections, len(rows) * (section + 1) // sections)
        kept |= extremes(rows, indexes, names)
    return [rows[index] for index in sorted(kept)]


def extremes(rows: Sequence[Row], indexes: range, names: Iterable[str]) -> set[int]:
    """Returns the indexes at which each column is lowest and highest."""
    found: set[int] = set()
    for name in names:
        values = [(value, index) for index in indexes if (value := rows[index].get(name)) is not None]
        if values:
            found |= {min(values)[1], max(values)[1]}
    return found


def to_csv(metrics: Metrics) -> str:
    """Returns one table: first the rows by epoch, then the rows by step. The column `by` distinguishes them."""
    tables = {"epoch": metrics.epochs, "step": metrics.steps}
    names = dict.fromkeys([*INDEX_COLUMNS, *metrics.epochs, *metrics.steps])
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=["by", *names], lineterminator="\n")
    writer.writeheader()
    for by, table in tables.items():
        for values in zip(*table.values(), strict=True):
            writer.writerow({"by": by, **dict(zip(table, values, strict=True))})
    return text.getvalue()
