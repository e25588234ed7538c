"""Three displays of running runs: bars on a terminal, a line per epoch elsewhere, or events as JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from bakehouse.cli.formats import format_duration, format_metric, format_metrics, format_status, shorten
from bakehouse.cli.view import View
from bakehouse.client.events import RunEvent

Show = Callable[[View, RunEvent], None]
"""Function that shows an event after its view has observed the event."""

LINES_BEFORE_DOUBLING = 20  # a long run prints a line for each of the first epochs, then for every 2nd, every 4th, ...
MIN_WIDTH_FOR_BARS = 72
BEST_LABELS = {"validation_loss": "val ", "validation_accuracy": "", "validation_r2": "r2 "}


def screen(views: Sequence[View], *, as_json: bool) -> AbstractContextManager[Show]:
    """Chooses the display for JSON, a terminal, or other output."""
    if as_json:
        return json_lines()
    # The display goes to stderr, so that stdout contains only results.
    console = Console(stderr=True)
    return bars(views, console) if console.is_terminal else plain_lines()


@contextmanager
def json_lines() -> Iterator[Show]:
    """Prints each event of the log as a line of JSON on stdout, with the run's id."""

    def show(view: View, event: RunEvent) -> None:
        print(json.dumps({"run": view.id, **event.model_dump()}, ensure_ascii=False), flush=True)

    yield show


@contextmanager
def plain_lines() -> Iterator[Show]:
    """Prints changes of status, epochs and messages as lines on stderr."""
    printed: set[str] = set()

    def show(view: View, event: RunEvent) -> None:
        text = event_line(view, event)
        if text and (event.type != "advice" or is_new_message(view, event, printed)):
            print(f"{view.label}  {text}", file=sys.stderr, flush=True)

    yield show


def event_line(view: View, event: RunEvent) -> str:
    """Returns the line for an event, or an empty text if the event gets no line."""
    match event.type:
        case "state" if not view.is_over:
            return format_status(view.status, view.request, view.reason)
        case "epoch" if view.epoch % epochs_per_line(view.epoch) == 0:
            numbers = format_metrics(view.metrics)
            return f"epoch {view.epoch}/{view.recipe['epochs']}  {numbers}  {best_and_time_left(view)}".rstrip()
        case "log" | "advice":
            return f"{event.type}: {view.messages[-1]}"
        case _:
            return ""


def epochs_per_line(epoch: int) -> int:
    """Returns 1 up to the 20th epoch, 2 up to the 40th, 4 up to the 80th, and so on."""
    # The blocks of 20 epochs 0, 1, 2-3, 4-7, ... have numbers of 0, 1, 2, 3, ... bits.
    return 1 << ((epoch - 1) // LINES_BEFORE_DOUBLING).bit_length()


def best_and_time_left(view: View) -> str:
    best = f"best e{view.best_epoch}" if view.best_epoch else ""
    return "  ".join(filter(None, [best, *patience_and_time_left(view)]))


def patience_and_time_left(view: View) -> list[str]:
    parts = []
    if view.patience is not None and view.epochs_since_best > 0:
        parts.append(f"patience {view.epochs_since_best}/{view.patience}")
    if view.seconds_left is not None:
        at_most = "" if view.recipe["early_stopping"]["type"] == "none" else "≤ "
        parts.append(f"{at_most}{format_duration(max(view.seconds_left, 1))} left")
    return parts


@contextmanager
def bars(views: Sequence[View], console: Console) -> Iterator[Show]:
    """Draws a progress bar for each run, and prints messages above the bars."""
    columns = (
        # Without this, rich would read brackets in a run's name as markup.
        TextColumn("  {task.description}", markup=False),
        TextColumn("{task.fields[position]:>9}", markup=False),
        *([BarColumn(bar_width=15)] if console.width >= MIN_WIDTH_FOR_BARS else []),
        # On a narrow terminal this column is the one that is cut.
        TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
    )
    printed: set[str] = set()
    with Progress(*columns, console=console, refresh_per_second=8, expand=True) as progress:
        tasks = {view.id: add_bar(progress, view, console.width // 3) for view in views}

        def show(view: View, event: RunEvent) -> None:
            if is_new_message(view, event, printed):
                progress.console.print(Text(f"{view.label}: {view.messages[-1]}"))
            progress.update(tasks[view.id], completed=view.step, position=position(view), state=bar_text(view))

        yield show


def add_bar(progress: Progress, view: View, max_label: int) -> TaskID:
    label = shorten(view.label, max_label)
    return progress.add_task(label, total=view.steps, position=position(view), state=bar_text(view))


def is_new_message(view: View, event: RunEvent, printed: set[str]) -> bool:
    """Returns whether the event has a message to print. All seeds of a recipe get the same advice, which is printed
    once."""
    if event.type not in ("log", "advice") or (event.type == "advice" and view.messages[-1] in printed):
        return False
    printed.add(view.messages[-1])
    return True


def position(view: View) -> str:
    return f"{view.epoch}/{view.recipe['epochs']}"


def bar_text(view: View) -> str:
    """Returns the text to the right of a bar: the run's activity, its best epoch, and the time left."""
    if view.is_over or view.status == "paused":
        return f"{best_text(view)}  {'done' if view.status == 'succeeded' else view.status}".strip()
    if view.status == "queued":
        return "waiting for a worker"
    if not view.best_epoch:
        loss = view.metrics.get("train_loss")
        return "starting" if loss is None else f"step {view.step}  loss {loss:.4g}"
    return "  ".join([best_text(view), *patience_and_time_left(view)])


def best_text(view: View) -> str:
    if not view.best_epoch:
        return ""
    metrics = [
        f"{label}{format_metric(name, view.best_metrics[name])}"
        for name, label in BEST_LABELS.items()
        if name in view.best_metrics
    ]
    return "  ".join([f"best e{view.best_epoch}", *metrics])
