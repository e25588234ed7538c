"""Tables and blocks of plain text, for people and for pipes.

A terminal gets columns that fit its width: those that matter least are left out, and long cells are cut. Anything else
gets every cell in full, between tabs. `rich.table` is not used: it wraps cells and leaves no column out, and its import
takes as long as the rest of a command that prints a table.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from bakehouse.cli.formats import cell_width, format_duration, format_metric, format_status, sanitize, shorten
from bakehouse.cli.output import output_width
from bakehouse.client import RunRecord
from bakehouse.data.listing import DatasetListing
from bakehouse.model import JsonObject
from bakehouse.runs.brief import BriefRun
from bakehouse.runs.run import Worker

Row = Sequence[str]
GAP = "  "
SUMMARIZED = ("dataset", "architecture", "norm", "dropout", "augmentation", "regularizer")
SHORTEST = 4  # columns of a terminal that a cell keeps, however narrow the terminal is


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and what may happen to it on a narrow terminal."""

    name: str
    least: int = 0
    """The width down to which cells may be cut; 0 if they are always whole."""
    rank: int = 0
    """Columns are left out in the order of their ranks, the highest first; 0 stays."""


RUNS_COLUMNS = (
    Column("RUN"),
    Column("NAME", least=8, rank=1),
    Column("RECIPE", least=8, rank=3),
    Column("STATUS", least=9),
    Column("EPOCH", rank=4),
    Column("BEST", rank=2),
    Column("VALUE", least=9, rank=1),
    Column("TIME", rank=5),
    Column("CREATED", rank=6),
)
DATASETS_COLUMNS = (
    Column("DATASET", least=12),
    Column("STATUS"),
    Column("KIND", rank=3),
    Column("SHAPE", least=8, rank=2),
    Column("TASK", rank=4),
    Column("TRAIN", rank=1),
    Column("DESCRIPTION", least=12, rank=5),
)
WORKERS_COLUMNS = (
    Column("WORKER", least=12),
    Column("HOST", least=8, rank=2),
    Column("DEVICE", least=6, rank=1),
    Column("STATUS"),
    Column("RUN"),
)


def table(columns: Sequence[Column | str], rows: Iterable[Row]) -> str:
    """Returns the table for stdout. A column that is only a name stays, with whole cells."""
    return fit_table([Column(each) if isinstance(each, str) else each for each in columns], rows, output_width())


def fit_table(columns: Sequence[Column], rows: Iterable[Row], width: int | None) -> str:
    """Returns rows under a heading, in columns that fit the width; without a width, whole cells between tabs."""
    # Cells are sanitized here and not by the callers, so that no table can forget it.
    lines = [[sanitize(cell) for cell in row] for row in ([column.name for column in columns], *rows)]
    if width is None:
        return "\n".join("\t".join(line) for line in lines)
    widths = fit(columns, [max(map(cell_width, cells)) for cells in zip(*lines, strict=True)], width)
    padded = (GAP.join(pad(shorten(line[index], size), size) for index, size in widths.items()) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> dict[int, int]:
    """Returns the width of each column that stays, by its index."""
    least = [min(size, column.least or size) for column, size in zip(columns, natural, strict=True)]
    kept = list(range(len(columns)))
    # A column is left out only if all others are as narrow as they may be.
    while total([least[index] for index in kept]) > width and any(columns[index].rank for index in kept):
        kept.remove(max(kept, key=lambda index: columns[index].rank))
    widths = {index: natural[index] for index in kept}
    # The widest column that may be cut is cut first, so that short cells stay whole.
    while total(widths.values()) > width and max(widths.values()) > SHORTEST:
        widest = max(kept, key=lambda index: (widths[index] > least[index], widths[index]))
        widths[widest] -= 1
    return widths


def total(widths: Iterable[int]) -> int:
    sizes = list(widths)
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def pad(text: str, width: int) -> str:
    return text + " " * (width - cell_width(text))


def block(rows: Iterable[tuple[str, str]], stream: TextIO | None = None) -> str:
    """Returns names on the left and values on the right, for stdout or another stream."""
    return fit_block(list(rows), output_width(stream))


def fit_block(rows: Sequence[tuple[str, str]], width: int | None) -> str:
    """Returns names on the left and values on the right; all lines of a value are aligned, and broken between words to
    fit the width."""
    indent = max(len(name) for name, _ in rows) + len(GAP)
    lines = []
    for name, value in rows:
        parts = [part for line in value.split("\n") for part in break_line(sanitize(line), width and width - indent)]
        lines += [f"{name.ljust(indent)}{parts[0]}", *(f"{' ' * indent}{part}" for part in parts[1:])]
    return "\n".join(lines)


def break_line(line: str, width: int | None) -> list[str]:
    """Breaks a line between words; a word that is longer than the width stays whole."""
    if width is None:
        return [line]
    return textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def runs_table(runs: Iterable[BriefRun]) -> str:
    """Returns the table of `bakehouse ls`."""
    return table(RUNS_COLUMNS, [runs_row(run) for run in runs])


def runs_row(run: BriefRun) -> Row:
    value = ""
    if run.best is not None:
        monitor = run.best.monitor
        # The number comes first, because a cell is cut at its end.
        value = f"{format_metric(monitor, run.best.value)} {monitor.removeprefix('validation_')}"
    return (
        run.id,
        run.name or "",
        f"{run.dataset} {run.architecture}",
        format_status(run.status, run.request),
        f"{run.progress.epoch}/{run.progress.epochs}",
        f"e{run.best.epoch}" if run.best else "",
        value,
        format_duration(run.seconds),
        run.created_at.replace("T", " ")[:16],
    )


def results_table(results: Sequence[tuple[RunRecord, str, dict[str, float | None]]]) -> str:
    """Returns a table of runs that are over, with their labels and the metrics of their best epochs."""
    is_regression = any("validation_r2" in metrics for _, _, metrics in results)
    score, heading = ("validation_r2", "VAL R2") if is_regression else ("validation_accuracy", "VAL ACC")
    columns = (
        Column("RUN"),
        Column("RECIPE", least=8, rank=2),
        Column("STATUS"),
        Column("BEST", rank=3),
        Column("STOP", rank=4),
        Column("VAL LOSS"),
        Column(heading, rank=1),
        Column("TIME", rank=5),
    )
    return table(columns, [results_row(run, label, metrics, score) for run, label, metrics in results])


def results_row(run: RunRecord, label: str, metrics: dict[str, float | None], score: str) -> Row:
    return (
        run.id,
        summarize_recipe(run.plain_recipe) if label == run.id else label,
        run.status,
        f"e{run.best.epoch}" if run.best else "-",
        f"e{run.progress.epoch}",
        *(format_metric(name, metrics[name]) if name in metrics else "-" for name in ("validation_loss", score)),
        format_duration(run.seconds),
    )


def datasets_table(listings: Iterable[DatasetListing]) -> str:
    """Returns the table of `bakehouse datasets`."""
    return table(DATASETS_COLUMNS, [datasets_row(listing) for listing in listings])


def datasets_row(listing: DatasetListing) -> Row:
    card = listing.card
    if card is None:
        return (listing.reference, listing.status, "", "", "", "", listing.problem or "")
    targets = f"also {', '.join(target.name for target in card.targets)}" if card.targets else ""
    return (
        listing.reference,
        listing.status,
        card.kind,
        "x".join(map(str, card.shape)),
        card.task or "depends on target",
        f"{card.counts.train:,}",
        "; ".join(filter(None, (card.title, targets, *card.notes))),
    )


def workers_table(workers: Iterable[Worker]) -> str:
    """Returns the table of `bakehouse workers`."""
    rows = [(worker.name, worker.host, worker.device, worker.status, worker.run_id or "") for worker in workers]
    return table(WORKERS_COLUMNS, rows)


def advice_row(advice: JsonObject) -> tuple[str, str]:
    """Returns an advice as a row of a block: its severity, then its pointer, message and source."""
    return advice["severity"], sanitize(f"{advice['pointer']}  {advice['message']} ({advice['source']})")


def summarize_recipe(recipe: JsonObject) -> str:
    """Returns the names of the data set, the architecture, and the ingredients that are on."""
    families = [recipe.get(family, []) for family in SUMMARIZED]
    ingredients = [item for family in families for item in (family if isinstance(family, list) else [family])]
    # The data set has an id and no type.
    names = [str(item.get("type") or item.get("id")) for item in ingredients]
    return " ".join(name for name in names if name != "none")
