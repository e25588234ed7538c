"""Tables and blocks of plain text, which pipes and people both read."""

from collections.abc import Iterable, Sequence

from bakehouse.cli.view import duration, number, printable, shortened
from bakehouse.client import ClientRun
from bakehouse.plan.card import DatasetListing
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Run, Worker

Row = Sequence[str]
MAX_NAME = 32


def table(header: Row, rows: Iterable[Row]) -> str:
    """Columns as wide as their widest cell."""
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def block(rows: Iterable[tuple[str, str]]) -> str:
    """Names to the left, values to the right; a value of several lines stays in its column."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        f"{name.ljust(width)}  {value.replace(chr(10), chr(10) + ' ' * (width + 2))}" for name, value in rows
    )


RUNS_HEADER = ("RUN", "NAME", "RECIPE", "STATUS", "EPOCH", "BEST", "VALUE", "TIME", "CREATED")


def runs_table(runs: Iterable[Run]) -> str:
    """What `ls` prints."""
    return table(RUNS_HEADER, [runs_row(run) for run in runs])


def runs_row(run: Run) -> Row:
    """A run in a line."""
    value = (
        f"{run.best.monitor.removeprefix('validation_')} {number(run.best.monitor, run.best.value)}" if run.best else ""
    )
    return (
        run.id,
        run.name or "",
        recipe_in_brief(run.recipe),
        run.status if run.request is None else f"{run.status}, asked to {run.request}",
        f"{run.progress.epoch}/{run.progress.epochs}",
        f"e{run.best.epoch}" if run.best else "",
        value,
        duration(run.seconds),
        run.created_at.replace("T", " ")[:16],
    )


RESULTS_HEADER = ("RUN", "RECIPE", "STATUS", "BEST", "STOP", "VAL LOSS", "VAL {other}", "TIME")
OTHER_METRICS = {"validation_accuracy": "ACC", "validation_r2": "R2"}


def results_table(runs: Iterable[tuple[ClientRun, str, dict[str, float | None]]]) -> str:
    """Finished runs with their labels and the numbers of their best epochs."""
    rows = list(runs)
    measured = {name for _, _, numbers in rows for name in numbers}
    other = "validation_r2" if "validation_r2" in measured else "validation_accuracy"
    header = tuple(word.format(other=OTHER_METRICS[other]) for word in RESULTS_HEADER)
    return table(header, [results_row(run.record, label, numbers, other) for run, label, numbers in rows])


def results_row(run: Run, label: str, numbers: dict[str, float | None], other: str) -> Row:
    """What became of a run."""
    shown = [number(name, numbers[name]) if name in numbers else "-" for name in ("validation_loss", other)]
    best = f"e{run.best.epoch}" if run.best else "-"
    name = recipe_in_brief(run.recipe) if label == run.id else label
    return (run.id, name, run.status, best, f"e{run.progress.epoch}", *shown, duration(run.seconds))


def datasets_table(sets: Iterable[DatasetListing]) -> str:
    """What recipes can name."""
    header = ("DATASET", "STATUS", "KIND", "SHAPE", "TASK", "TRAIN", "SAYS")
    return table(header, [datasets_row(each) for each in sets])


def datasets_row(listing: DatasetListing) -> Row:
    """A data set in a line."""
    card, name = listing.card, shortened(listing.id, MAX_NAME)
    if card is None:
        return (name, listing.status, "", "", "", "", listing.problem or "")
    shape = "x".join(map(str, card.shape))
    task = card.task or "by the target"
    further = [f"also {', '.join(target.name for target in card.targets)}"] if card.targets else []
    says = "; ".join(filter(None, (card.title, *further, *card.notes)))
    return (name, listing.status, card.kind, shape, task, f"{card.counts.train:,}", says)


def workers_table(workers: Iterable[Worker]) -> str:
    """Who trains."""
    header = ("WORKER", "HOST", "DEVICE", "STATUS", "RUN")
    return table(header, [(each.name, each.host, each.device, each.status, each.run_id or "") for each in workers])


def recipe_in_brief(recipe: Recipe) -> str:
    """Data set, architecture, and what is on."""
    parts = (recipe.norm, *recipe.dropout, *recipe.augmentation, *recipe.regularizer)
    return " ".join(
        [recipe.dataset.id, recipe.architecture.type, *(part.type for part in parts if part.type != "none")]
    )
