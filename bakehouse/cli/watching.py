"""Watching runs to their end: what is said then, and the exit code."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bakehouse.cli.endings import DETACHED, exit_code, last_words
from bakehouse.cli.following import watch
from bakehouse.cli.tables import results_table
from bakehouse.cli.view import View
from bakehouse.client import ClientRun
from bakehouse.runs.run import Checkpoint


def watch_to_the_end(
    runs: Sequence[ClientRun],
    *,
    as_json: bool,
    timeout: float | None,
    output: Path | None = None,
    seeds: bool = False,
) -> int:
    """The exit code; Ctrl-C ends the watching, not the runs."""
    try:
        views = watch(runs, as_json=as_json, timeout=timeout, seeds=seeds)
    except KeyboardInterrupt:
        print(detached(runs), file=sys.stderr)
        return DETACHED
    file = save(runs[0], output) if output is not None and runs[0].best is not None else None
    say_results(runs, views, file=file, as_json=as_json)
    return exit_code(run.status for run in runs)


def detached(runs: Sequence[ClientRun]) -> str:
    """What goes on, and how to come back to it."""
    ids = " ".join(run.id for run in runs)
    verb = "goes" if len(runs) == 1 else "go"
    return f"\nnot watched any more: {ids} {verb} on\n  bakehouse watch {ids}\n  bakehouse cancel {ids}"


def save(run: ClientRun, output: Path) -> Path:
    """The best weights."""
    run.download_best(output)
    return output


def say_results(runs: Sequence[ClientRun], views: Sequence[View], *, file: Path | None, as_json: bool) -> None:
    """The table is data; the last words are talk."""
    for run, view in zip(runs, views, strict=True):
        print(last_words(run.record, view, file=file, following=f"bakehouse show {run.id}"), file=sys.stderr)
    if not as_json:
        rows = [(run, view.label, view.best_numbers) for run, view in zip(runs, views, strict=True)]
        print(results_table(rows), flush=True)


def say_ids(runs: Sequence[ClientRun], *, as_json: bool) -> None:
    """Of runs that are not watched."""
    if as_json:
        print(json.dumps({"data": [run.record.model_dump(mode="json") for run in runs]}, ensure_ascii=False))
    else:
        print("\n".join(run.id for run in runs))
        print(f"  bakehouse watch {' '.join(run.id for run in runs)}", file=sys.stderr)


def say_saved(run_id: str, output: Path, checkpoint: Checkpoint, *, as_json: bool) -> None:
    """Where the weights are."""
    if as_json:
        print(json.dumps({"file": str(output), **checkpoint.model_dump(mode="json")}))
    else:
        print(output)
        print(
            f"epoch {checkpoint.epoch}, {checkpoint.bytes:,} bytes, sha256 {checkpoint.sha256}\n"
            f"  bakehouse code {run_id} --file {output}",
            file=sys.stderr,
        )
