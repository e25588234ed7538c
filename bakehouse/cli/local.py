"""`bakehouse train` and `bakehouse lint`: recipes that are trained or checked without being submitted."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.cli.output import print_json
from bakehouse.cli.screens import screen
from bakehouse.cli.show import summary
from bakehouse.cli.tables import advice_row, block
from bakehouse.cli.view import View, label_of
from bakehouse.client import Client, RunEvent, Unreachable
from bakehouse.data.catalog import Catalog
from bakehouse.experiments.planned_runs import NOT_PLANNED, PlannedRun, WithPlannedRuns
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.runs.local_runs import RECORD, LocalRuns
from bakehouse.runs.migrations import parse_record
from bakehouse.settings import Settings

# Limits on the wait for a data set, which is packed when it is first used.
TRAIN_PACKING_SECONDS = 1800.0
LINT_PACKING_SECONDS = 60.0


def prepare_locally(
    document: JsonObject, settings: Settings, *, wait_seconds: float, planned: Mapping[str, PlannedRun] = NOT_PLANNED
) -> Prepared:
    """Plans a recipe with this machine's data sets and the runs that were trained without a service. In an experiment
    it may also build on runs that are only planned."""
    limits = Limits(parameters=settings.max_parameters)
    runs = WithPlannedRuns(LocalRuns(settings.trained), planned)
    return prepare(document, Catalog(settings), limits, runs=runs, wait_seconds=wait_seconds)


def lint_recipe(document: JsonObject, settings: Settings) -> JsonObject:
    """Has the service check a recipe, or checks it on this machine if no service answers."""
    with Client(settings.base_url) as client:
        try:
            return client.validate(document)
        except Unreachable as error:
            print(f"bakehouse: {error}; checking with the data sets of this machine", file=sys.stderr)
    prepared = prepare_locally(document, settings, wait_seconds=LINT_PACKING_SECONDS)
    return {
        "recipe": prepared.plan.recipe.canonical(),
        "advice": [item.model_dump(mode="json") for item in prepared.advice],
        "estimate": asdict(prepared.plan.estimate),
    }


def print_lint(document: JsonObject, *, as_json: bool, fields: str | None) -> None:
    """Prints what `bakehouse lint` finds."""
    report = lint_recipe(document, Settings())
    if as_json or fields is not None:
        print_json(report, fields)
    else:
        print(lint_text(report))


def lint_text(report: JsonObject) -> str:
    """Returns the size of the model and the advice as text."""
    estimate = report["estimate"]
    rows = [
        ("recipe", "valid"),
        ("parameters", f"{estimate['parameters']:,}"),
        ("memory", f"about {estimate['memory_bytes'] / 2**20:,.1f} MiB"),
        *time_rows(estimate),
    ]
    return block(rows + [advice_row(item) for item in report["advice"]])


def time_rows(estimate: JsonObject) -> list[tuple[str, str]]:
    """Returns the expected time, which only a service knows."""
    if seconds := estimate.get("seconds"):
        alike = seconds["basis"].replace("same_", "the same ").replace("_", " ")
        basis = f"from {count_of(seconds['measurements'], 'training')} with {alike}"
        return [("time", f"{seconds['text']} ({basis})")]
    return [("time", f"not known: {reason}") for reason in [estimate.get("seconds_reason")] if reason]


def train_locally(document: JsonObject, folder: Path | None, *, as_json: bool) -> int:
    """Trains a recipe in a child process and shows it; returns the exit code. An interrupted training resumes when the
    same recipe is trained in the same folder."""
    settings = Settings()
    prepared = prepare_locally(document, settings, wait_seconds=TRAIN_PACKING_SECONDS)
    folder = folder or settings.trained / prepared.plan.recipe.sha256()[:12]
    with raise_on_interrupt(), training_process(document, folder) as process:
        show_events(parse_log(process.stdout or ()), initial_view(prepared), as_json=as_json)
    # A training that did not begin leaves the record of an earlier run in the folder, perhaps an unreadable one.
    if process.returncode != ExitCode.USAGE and (folder / RECORD).exists():
        print_summary(prepared, folder)
    return process.returncode


@contextmanager
def training_process(document: JsonObject, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Runs `worker.train` during the block. On Ctrl-C, ends the process and waits until it has saved its state."""
    # -P keeps the working directory off the import path, so that a folder named `worker` in it is not imported.
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
            # The terminal sends Ctrl-C to both processes, but a signal to this process alone has to be passed on.
            process.terminate()
            process.wait()
            raise typer.Exit(ExitCode.INTERRUPTED) from None


def initial_view(prepared: Prepared) -> View:
    recipe = prepared.plan.recipe.canonical()
    return View("train", label_of(recipe, "train"), recipe, prepared.plan.steps)


def parse_log(lines: Iterable[str]) -> Iterator[RunEvent]:
    return (RunEvent.model_validate_json(line) for line in lines)


def show_events(events: Iterable[RunEvent], view: View, *, as_json: bool) -> None:
    with screen([view], as_json=as_json) as show:
        for event in events:
            view.observe(event)
            show(view, event)


def print_summary(prepared: Prepared, folder: Path) -> None:
    # Reads the whole log: after an interruption, this process has seen only the later events.
    view = initial_view(prepared)
    for event in parse_log((folder / "events.jsonl").read_text(encoding="utf-8").splitlines()):
        view.observe(event)
    record = parse_record((folder / RECORD).read_text(encoding="utf-8"))
    run = record.public()
    next_command = "bakehouse run RECIPE, which sends the recipe to a service"
    print(summary(run, view, file=folder / "best.safetensors", next_command=next_command), file=sys.stderr)
