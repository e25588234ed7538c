"""`bakehouse train`: one recipe in one process, without a service, shown like any run."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from bakehouse.cli.screens import screen
from bakehouse.cli.view import View, label_of
from bakehouse.cli.watch import DETACHED, last_words
from bakehouse.client import RunEvent
from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.runs.run import Run
from bakehouse.settings import Settings

PACKING_SECONDS = 1800.0


def train_here(document: dict[str, Any], folder: Path | None, *, as_json: bool) -> int:
    """Shows the training and says how it ended; the exit code. An interrupted one goes on in its folder."""
    settings = Settings()
    limits = Limits(parameters=settings.max_parameters)
    saved = LocalRuns(settings.trained)
    prepared = prepare(document, Catalog(settings), limits, saved=saved, wait_seconds=PACKING_SECONDS)
    folder = folder or settings.trained / prepared.plan.recipe.sha256()[:12]
    with training(document, folder) as process:
        show_events(as_events(process.stdout or ()), view_of(prepared), as_json=as_json)
    say_how_it_ended(prepared, folder)
    return process.returncode


@contextmanager
def training(document: dict[str, Any], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The training process; Ctrl-C ends it too, once it has saved what it needs to go on."""
    command = [sys.executable, "-P", "-m", "worker.train", "-", "-o", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(document))
        process.stdin.close()
        try:
            yield process
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise typer.Exit(DETACHED) from None


def view_of(prepared: Prepared) -> View:
    """Before its first event."""
    recipe = prepared.plan.recipe
    return View("train", label_of(recipe, "train"), recipe, prepared.plan.steps)


def as_events(lines: Iterable[str]) -> Iterator[RunEvent]:
    """A log as it was written."""
    return (RunEvent.model_validate_json(line) for line in lines)


def show_events(events: Iterable[RunEvent], view: View, *, as_json: bool) -> None:
    """The same screens as for runs of a service."""
    with screen([view], as_json=as_json) as show:
        for event in events:
            view.observe(event)
            show(view, event)


def say_how_it_ended(prepared: Prepared, folder: Path) -> None:
    """From the whole log, since this process may have seen the second half of it only."""
    record, view = folder / "record.json", view_of(prepared)
    if not record.exists():
        return
    for event in as_events((folder / "events.jsonl").read_text(encoding="utf-8").splitlines()):
        view.observe(event)
    run = Run.model_validate_json(record.read_text(encoding="utf-8"), extra="ignore")
    print(
        last_words(run, view, file=folder / "best.safetensors", following="bakehouse run RECIPE, with a service"),
        file=sys.stderr,
    )
