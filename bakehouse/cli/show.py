"""One run as text: the page of `bakehouse show`, and the summary when a run is over."""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.formats import (
    format_duration,
    format_metric,
    format_metrics,
    format_status,
    sanitize,
)
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import Column, advice_row, block, table
from bakehouse.cli.view import View
from bakehouse.client import Client, ClientRun, Conflict, RunRecord
from bakehouse.client.comparison import short_recipe
from bakehouse.plurals import count_of
from bakehouse.recipe.patch import PatchStep
from bakehouse.runs.run import Best, Checkpoint, Diagnostic, Failure, Last, Run
from bakehouse.verdict.readings import number, read_diagnostic
from bakehouse.verdict.verdict import Verdict

OF_ACTIVATIONS = ("zero_activations", "dead_units")
"""The lists of the diagnostic `sparsity` that have a value for each activation, and not for each layer of weights."""

CHECKPOINT_COLUMNS = ("EPOCH", "ROLES", "BYTES", Column("SHA256", least=8))


def show_run(run_id: str, *, as_json: bool, fields: str | None) -> None:
    """Prints a run as its page or as JSON."""
    with Client() as client:
        run = client.run(run_id)
        if as_json or fields is not None:
            print_json(run.record.model_dump(mode="json"), fields)
        else:
            print(run_page(run))


def verify_run(run_id: str, *, timeout: float | None, as_json: bool, fields: str | None) -> ExitCode:
    """Submits the verification of a run, waits for it, and prints its verdict."""
    with Client() as client:
        repeated = client.run(run_id).verify().wait(timeout).record
    if as_json or fields is not None:
        print_json(repeated.model_dump(mode="json"), fields)
    else:
        print(verdict_text(repeated))
    verdict = repeated.verification.verdict if repeated.verification else None
    return ExitCode.SUCCEEDED if verdict == "identical" else ExitCode.FAILED


def run_page(run: ClientRun) -> str:
    """Returns a run's status, recipe, metrics, diagnostics, checkpoints and advice as text."""
    record = run.record
    parts = [block(status_rows(record)), block(recipe_rows(record))]
    if record.best is not None and record.last is not None:
        parts.append(metrics_table(record.best, record.last))
    if record.diagnostics:
        parts.append(block([diagnostic_row(name, item) for name, item in record.diagnostics.items()]))
    parts += checkpoints_table(run)
    if record.advice:
        parts.append(block(advice_row(item.model_dump()) for item in record.advice))
    return "\n\n".join(parts)


def status_rows(run: RunRecord) -> list[tuple[str, str]]:
    progress = f"epoch {run.progress.epoch} of {run.progress.epochs}"
    restarted = ", restarted at step 0" if run.restarted else ""
    rows = [
        ("run", run.id + (f"  {sanitize(run.name)}" if run.name else "")),
        ("status", format_status(run.status, run.request, run.reason)),
        ("progress", f"{progress}, {format_duration(run.seconds)}, attempt {run.attempt}{restarted}"),
        ("created", run.created_at),
    ]
    if run.queue is not None:
        rows.append(("queue", f"position {run.queue.position}: {run.queue.reason}"))
    if run.best is not None:
        value = format_metric(run.best.monitor, run.best.value)
        rows.append(("best", f"epoch {run.best.epoch}, {run.best.monitor} {value}"))
    if run.verification is not None:
        rows.append(("verifies", f"{run.verification.run}, {verdict_text(run)}"))
    if run.verified is not None:
        rows.append(("verified", f"{run.verified.verdict or 'no verdict yet'}, by {run.verified.run}"))
    if run.labels:
        rows.append(("labels", sanitize(" ".join(f"{key}:{value}" for key, value in run.labels.items()))))
    # Fields that only a newer service has.
    rows += [(sanitize(name), json_text(value)) for name, value in (run.model_extra or {}).items()]
    if run.failure is not None:
        rows += failure_rows(run.failure)
        # Nobody foresaw such a failure, so only the log can say more.
        rows += [("log", f"bakehouse log {run.id}")] if run.failure.code in ("internal", "crash_loop") else []
    return [*rows, *verdict_rows(run)]


def metrics_table(best: Best, last: Last) -> str:
    """Returns the metrics of the best and of the last epoch side by side: they are two models."""
    names = dict.fromkeys([*last.metrics, *best.metrics])
    rows = [
        (
            name,
            *(
                format_metric(name, metrics[name]) if name in metrics else "-"
                for metrics in (best.metrics, last.metrics)
            ),
        )
        for name in names
    ]
    columns = (Column("METRIC", least=12), f"BEST, EPOCH {best.epoch}", f"LAST, EPOCH {last.epoch}")
    return table(columns, rows)


def recipe_rows(run: RunRecord) -> list[tuple[str, str]]:
    """Returns the fields of the recipe that differ from the default, or all if this version does not know all of it."""
    return [
        (name, sanitize(value) if isinstance(value, str) else json_text(value))
        for name, value in short_recipe(run.recipe).items()
    ]


def json_text(value: object) -> str:
    return sanitize(json.dumps(value, ensure_ascii=False))


def verdict_text(run: Run) -> str:
    """Returns the verdict of a run that repeats another one, or why there is none, as a line."""
    verification = run.verification
    if verification is None or verification.verdict is None:
        reason = verification.message if verification and verification.message else f"{run.id} {run.status}"
        return f"no verdict: {reason}"
    if verification.verdict == "identical":
        steps = count_of(verification.expected.step, "step")
        return f"identical: {run.id} repeats {verification.run} to the bit, over {steps} and a resumption half-way"
    return f"different: {verification.message} ({run.id} repeats {verification.run})"


def diagnostic_row(name: str, diagnostic: Diagnostic) -> tuple[str, str]:
    """Returns what a diagnostic says: a mark, a sentence, and the values of the layers."""
    reading = read_diagnostic(name, diagnostic.values, diagnostic.epoch)
    lines = [f"{reading.mark:2}  {reading.text}", *(f"    {line}" for line in layer_lines(diagnostic.values))]
    return name, "\n".join(map(sanitize, lines))


def layer_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each list of a diagnostic; a list with a value for each layer names the layers."""
    for name, items in values.items():
        if not isinstance(items, list) or name in ("layers", "activations"):
            continue
        layers = values.get("activations" if name in OF_ACTIVATIONS else "layers")
        if layers is None:
            yield f"{name}: {' '.join(map(str, items))}".rstrip()
        else:
            pairs = zip(layers, items, strict=True)
            yield f"{name}: " + ", ".join(f"{layer} {number(item)}" for layer, item in pairs)


def verdict_rows(run: Run) -> list[tuple[str, str]]:
    """Returns the verdict with the change to try, and the other findings."""
    found = [("verdict", run.verdict)] if run.verdict else []
    found += [("also", verdict) for verdict in run.further_verdicts]
    return [(label, verdict_line(verdict, run.id)) for label, verdict in found]


def verdict_line(verdict: Verdict, run_id: str) -> str:
    """Returns a verdict as a sentence, with its code and the changes to try."""
    line = sanitize(f"{verdict.message} ({verdict.code})")
    return line + "".join(f"\ntry {sanitize(change_text(step, run_id))}" for step in verdict.patch)


def change_text(step: PatchStep, run_id: str) -> str:
    """Returns a step of a patch as the command that tries it, or as words."""
    field = step.path.removeprefix("/").replace("/", ".")
    value = step.value if isinstance(step.value, str) else json.dumps(step.value, ensure_ascii=False)
    match step.op:
        case "replace":
            return f"bakehouse rerun {run_id} --set {field}={shlex.quote(value)}"
        case "add":
            return f"{field.removesuffix('.-')} with {value} added"
        case "remove":
            return f"without {field}"


def checkpoints_table(run: ClientRun) -> list[str]:
    """Returns the table of the run's checkpoints, if it has any; or why the service refuses to list them."""
    try:
        rows = [checkpoint_row(item) for item in run.checkpoints()]
    except Conflict as error:
        # The run itself can be shown, although its service cannot read all of it.
        return [block([("checkpoints", sanitize(str(error)))])]
    return [table(CHECKPOINT_COLUMNS, rows)] if rows else []


def checkpoint_row(item: Checkpoint) -> tuple[str, str, str, str]:
    return (str(item.epoch), " ".join(item.roles), f"{item.bytes:,}", item.sha256)


def failure_rows(failure: Failure) -> list[tuple[str, str]]:
    other = "a retry would fail too" if failure.code in ("internal", "crash_loop") else "change the recipe first"
    retry = "retryable" if failure.retryable else other
    rows = [("failure", f"{failure.message} ({failure.code}; {retry})")]
    return [*rows, ("where", failure.pointer)] if failure.pointer else rows


def summary(run: Run, view: View, *, file: Path | None, next_command: str) -> str:
    """Returns how a run ended, its failure or best epoch, its file of weights, its verdict, and the next command."""
    name = f"{run.id} " if file else ""
    rows = [(view.label, f"{name}{run.status}: {ending(view)}")]
    if run.failure is not None:
        rows += failure_rows(run.failure)
    if run.best is not None:
        rows.append(("best", f"epoch {run.best.epoch}  {format_metrics(view.best_metrics)}"))
        rows.append(("file", str(file) if file else f"not downloaded: bakehouse best {run.id} -o best.safetensors"))
    rows += verdict_rows(run)
    return block([*rows, ("next", next_command)], sys.stderr)


def ending(view: View) -> str:
    """Returns the reason why a run ended, as a phrase."""
    best = f"best epoch {view.best_epoch}" if view.best_epoch else "no epoch was completed"
    match view.reason:
        case "early_stopped":
            return f"stopped early at epoch {view.epoch}{stopping_text(view)}; {best}"
        case "epochs_done":
            return f"completed {count_of(view.epoch, 'epoch')}; {best}"
        case "time_budget":
            return f"the time budget was spent at epoch {view.epoch}; {best}"
        case "pruned":
            return f"ended early at epoch {view.epoch}, as others were better at the same epoch; {best}"
        case "stopped_by_user":
            return f"a user stopped it at epoch {view.epoch}; {best}"
        case "cancelled_by_user":
            return f"a user cancelled it at epoch {view.epoch}; {best}"
        case _:
            return view.reason.replace("_", " ")


def stopping_text(view: View) -> str:
    if view.patience is None:
        return f" by {view.recipe['early_stopping']['type']}"
    value = format_metric(view.monitor, view.best_metrics.get(view.monitor))
    return f": no better than {value} for {count_of(view.patience, 'epoch')}"
