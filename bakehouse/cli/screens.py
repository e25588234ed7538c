"""Three ways to show running runs: bars on a terminal, a line an epoch elsewhere, events as JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from bakehouse.cli.view import View, duration, named_numbers, number, shortened
from bakehouse.client.events import RunEvent

Show = Callable[[View, RunEvent], None]

# A line for each of the first epochs, then for every 2nd, every 4th, ... so that a long run does not flood.
LINES_BEFORE_DOUBLING = 20
ROOM_FOR_BARS = 72


def screen(views: Sequence[View], *, as_json: bool) -> AbstractContextManager[Show]:
    """The way that fits where the output goes."""
    if as_json:
        return json_lines()
    console = Console(stderr=True)
    return bars(views, console) if console.is_terminal else plain_lines()


@contextmanager
def json_lines() -> Iterator[Show]:
    """Each event as the log holds it, with its run."""

    def show(view: View, event: RunEvent) -> None:
        print(json.dumps({"run": view.id, **event.model_dump()}, ensure_ascii=False), flush=True)

    yield show


@contextmanager
def plain_lines() -> Iterator[Show]:
    """States and epochs on stderr."""
    heard: set[str] = set()

    def show(view: View, event: RunEvent) -> None:
        text = line(view, event)
        if text and (event.type != "advice" or is_news(view, event, heard)):
            print(f"{view.label}  {text}", file=sys.stderr, flush=True)

    yield show


def line(view: View, event: RunEvent) -> str:
    """What is worth a line; empty for what is not."""
    match event.type:
        case "state" if not view.is_over:
            asked = f", asked to {view.request}" if view.request else ""
            return f"{view.status} ({view.reason.replace('_', ' ')}){asked}"
        case "epoch" if view.epoch % stride(view.epoch) == 0:
            return f"epoch {view.epoch}/{view.recipe.epochs}  {named_numbers(view.numbers)}  {tail(view)}".rstrip()
        case "log" | "advice":
            return f"{event.type}: {view.messages[-1]}"
        case _:
            return ""


def stride(epoch: int) -> int:
    """1 up to the 20th, 2 up to the 40th, 4 up to the 80th, and so on."""
    return 1 << ((epoch - 1) // LINES_BEFORE_DOUBLING).bit_length()


def tail(view: View) -> str:
    """Best epoch, patience, time left."""
    parts = [f"best e{view.best_epoch}"] if view.best_epoch else []
    if view.patience is not None and view.epochs_since_best > 0:
        parts.append(f"patience {view.epochs_since_best}/{view.patience}")
    if view.seconds_left is not None:
        bound = "" if view.recipe.early_stopping.type == "none" else "≤ "
        parts.append(f"{bound}{duration(view.seconds_left)} left")
    return "  ".join(parts)


@contextmanager
def bars(views: Sequence[View], console: Console) -> Iterator[Show]:
    """One live region with a bar a run."""
    columns = (
        TextColumn("  {task.description}", markup=False),
        TextColumn("{task.fields[position]:>9}", markup=False),
        *([BarColumn(bar_width=15)] if console.width >= ROOM_FOR_BARS else []),
        # The one that gives way where there is not enough room.
        TextColumn("{task.fields[said]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
    )
    heard: set[str] = set()
    with Progress(*columns, console=console, refresh_per_second=8, expand=True) as progress:
        tasks = {view.id: add(progress, view, console.width // 3) for view in views}

        def show(view: View, event: RunEvent) -> None:
            if is_news(view, event, heard):
                progress.console.print(Text(f"{view.label}: {view.messages[-1]}"))
            progress.update(tasks[view.id], completed=view.step, position=position(view), said=said(view))

        yield show


def add(progress: Progress, view: View, most: int) -> TaskID:
    """The bar of one run."""
    label = shortened(view.label, most)
    return progress.add_task(label, total=view.steps, position=position(view), said=said(view))


def is_news(view: View, event: RunEvent, heard: set[str]) -> bool:
    """A message that no other run of this screen has brought: advice is the same for all seeds."""
    if event.type not in ("log", "advice") or (event.type == "advice" and view.messages[-1] in heard):
        return False
    heard.add(view.messages[-1])
    return True


def position(view: View) -> str:
    """`18/40`."""
    return f"{view.epoch}/{view.recipe.epochs}"


def said(view: View) -> str:
    """What stands to the right of a bar."""
    if view.is_over or view.status == "paused":
        return f"{summary(view)}  {'done' if view.status == 'succeeded' else view.status}".strip()
    if view.status == "queued":
        return "waits for a worker"
    if not view.best_epoch:
        loss = view.numbers.get("train_loss")
        return "starts" if loss is None else f"step {view.step}  loss {loss:.4g}"
    return f"{summary(view)}  {tail(view).partition('  ')[2]}"


def summary(view: View) -> str:
    """The best so far."""
    if not view.best_epoch:
        return ""
    shown = {"validation_loss": "val ", "validation_accuracy": "", "validation_r2": "r2 "}
    numbers = [
        f"{word}{number(name, view.best_numbers[name])}" for name, word in shown.items() if name in view.best_numbers
    ]
    return "  ".join([f"best e{view.best_epoch}", *numbers])
