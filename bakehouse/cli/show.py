"""`bakehouse show`: one run on one page."""

import json

from bakehouse.cli.linting import advice_row
from bakehouse.cli.tables import block, table
from bakehouse.cli.view import duration, number, printable
from bakehouse.cli.watch import failure_rows
from bakehouse.client import ClientRun
from bakehouse.client.comparison import short_recipe
from bakehouse.runs.run import Checkpoint, Diagnostic, Run


def show_run(run: ClientRun) -> str:
    """Status, recipe, best, metrics, checkpoints, advice."""
    record = run.record
    parts = [block(status_rows(record)), block(recipe_rows(record))]
    checkpoints = run.checkpoints()
    if record.metrics:
        parts.append(block([(name, number(name, value)) for name, value in record.metrics.items()]))
    if record.diagnostics:
        parts.append(block([(name, numbers_of(item)) for name, item in record.diagnostics.items()]))
    if checkpoints:
        parts.append(table(("EPOCH", "ROLES", "BYTES", "SHA256"), [checkpoint_row(item) for item in checkpoints]))
    if record.advice:
        parts.append(block(advice_row(item.model_dump()) for item in record.advice))
    return "\n\n".join(parts)


def numbers_of(diagnostic: Diagnostic) -> str:
    """Those of the whole model; layers have rows of their own in the log."""
    single = {name: value for name, value in diagnostic.values.items() if isinstance(value, int | float | None)}
    return "  ".join(f"{name} {number(name, value)}" for name, value in single.items())


def status_rows(run: Run) -> list[tuple[str, str]]:
    """What it does and how far it is."""
    done, asked = run.progress, f", asked to {run.request}" if run.request else ""
    restarted = ", restarted at step 0" if run.restarted else ""
    rows = [
        ("run", run.id + (f"  {printable(run.name)}" if run.name else "")),
        ("status", f"{run.status} ({run.reason.replace('_', ' ')}){asked}"),
        ("progress", f"epoch {done.epoch} of {done.epochs}, {duration(run.seconds)}, attempt {run.attempt}{restarted}"),
        ("created", run.created_at),
    ]
    if run.queue is not None:
        rows.append(("queue", f"place {run.queue.position}: {run.queue.reason}"))
    if run.best is not None:
        rows.append(("best", f"epoch {run.best.epoch}, {run.best.monitor} {number(run.best.monitor, run.best.value)}"))
    if run.labels:
        rows.append(("labels", printable(" ".join(f"{key}:{value}" for key, value in run.labels.items()))))
    return rows + (failure_rows(run.failure) if run.failure else [])


def recipe_rows(run: Run) -> list[tuple[str, str]]:
    """Only what is not the default."""
    return [
        (name, printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
        for name, value in short_recipe(run.recipe).items()
    ]


def checkpoint_row(item: Checkpoint) -> tuple[str, str, str, str]:
    """A file that can be downloaded."""
    return (str(item.epoch), " ".join(item.roles), f"{item.bytes:,}", item.sha256)
