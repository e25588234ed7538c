"""Tables and blocks of plain text, for people and for pipes.

The columns are padded here and not by `rich.table`: rich fits a table to a width, so that it wraps or cuts cells where
the output is narrow or no terminal. A pipe must get the same bytes everywhere, one line per row.
"""

from collections.abc import Iterable, Sequence

from bakehouse.cli.formats import format_duration, format_metric, format_status, sanitize, shorten
from bakehouse.model import JsonObject
from bakehouse.plan.card import DatasetListing
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Run, Worker

Row = Sequence[str]
MAX_NAME = 32
RUNS_HEADER = ("RUN", "NAME", "RECIPE", "STATUS", "EPOCH", "BEST", "VALUE", "TIME", "CREATED")
DATASETS_HEADER = ("DATASET", "STATUS", "KIND", "SHAPE", "TASK", "TRAIN", "DESCRIPTION")
WORKERS_HEADER = ("WORKER", "HOST", "DEVICE", "STATUS", "RUN")


def table(header: Row, rows: Iterable[Row]) -> str:
    """Returns rows under a header, in columns that are as wide as their widest cell."""
    # Cells are sanitized here and not by the callers, so that no table can forget it.
    lines = [[sanitize(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def block(rows: Iterable[tuple[str, str]]) -> str:
    """Returns names on the left and values on the right; all lines of a value are aligned."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    next_line = "\n" + " " * (width + 2)
    return "\n".join(f"{name.ljust(width)}  {value.replace(chr(10), next_line)}" for name, value in rows)


def runs_table(runs: Iterable[Run]) -> str:
    """Returns the table of `bakehouse ls`."""
    return table(RUNS_HEADER, [runs_row(run) for run in runs])


def runs_row(run: Run) -> Row:
    value = ""
    if run.best is not None:
        monitor = run.best.monitor
        value = f"{monitor.removeprefix('validation_')} {format_metric(monitor, run.best.value)}"
    return (
        run.id,
        run.name or "",
        summarize_recipe(run.recipe),
        format_status(run.status, run.request),
        f"{run.progress.epoch}/{run.progress.epochs}",
        f"e{run.best.epoch}" if run.best else "",
        value,
        format_duration(run.seconds),
        run.created_at.replace("T", " ")[:16],
    )


def results_table(results: Sequence[tuple[Run, str, dict[str, float | None]]]) -> str:
    """Returns a table of runs that are over, with their labels and the metrics of their best epochs."""
    is_regression = any("validation_r2" in metrics for _, _, metrics in results)
    score, heading = ("validation_r2", "VAL R2") if is_regression else ("validation_accuracy", "VAL ACC")
    header = ("RUN", "RECIPE", "STATUS", "BEST", "STOP", "VAL LOSS", heading, "TIME")
    return table(header, [results_row(run, label, metrics, score) for run, label, metrics in results])


def results_row(run: Run, label: str, metrics: dict[str, float | None], score: str) -> Row:
    return (
        run.id,
        summarize_recipe(run.recipe) if label == run.id else label,
        run.status,
        f"e{run.best.epoch}" if run.best else "-",
        f"e{run.progress.epoch}",
        *(format_metric(name, metrics[name]) if name in metrics else "-" for name in ("validation_loss", score)),
        format_duration(run.seconds),
    )


def datasets_table(listings: Iterable[DatasetListing]) -> str:
    """Returns the table of `bakehouse datasets`."""
    return table(DATASETS_HEADER, [datasets_row(listing) for listing in listings])


def datasets_row(listing: DatasetListing) -> Row:
    card = listing.card
    name = shorten(listing.id, MAX_NAME)
    if card is None:
        return (name, listing.status, "", "", "", "", listing.problem or "")
    targets = f"also {', '.join(target.name for target in card.targets)}" if card.targets else ""
    return (
        name,
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
    return table(WORKERS_HEADER, rows)


def advice_row(advice: JsonObject) -> tuple[str, str]:
    """Returns an advice as a row of a block: its severity, then its pointer, message and source."""
    return advice["severity"], sanitize(f"{advice['pointer']}  {advice['message']} ({advice['source']})")


def summarize_recipe(recipe: Recipe) -> str:
    """Returns the names of the data set, the architecture, and the ingredients that are on."""
    ingredients = (recipe.norm, *recipe.dropout, *recipe.augmentation, *recipe.regularizer)
    types = [ingredient.type for ingredient in ingredients if ingredient.type != "none"]
    return " ".join([recipe.dataset.id, recipe.architecture.type, *types])
