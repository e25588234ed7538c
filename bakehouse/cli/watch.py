"""Watching runs to their end: what is said then, and the exit code."""

import json
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bakehouse.cli.screens import screen
from bakehouse.cli.tables import block, results_table
from bakehouse.cli.view import View, label_of, named_numbers, number
from bakehouse.client import ClientError, ClientRun, RunEvent, RunTimeout
from bakehouse.runs.run import Checkpoint, Failure, Run


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


Heard = tuple[int, RunEvent | ClientError | None]


def watch(runs: Sequence[ClientRun], *, as_json: bool, timeout: float | None, seeds: bool = False) -> list[View]:
    """Shows the runs until all are over."""
    views = [view_of(run, seeds=seeds) for run in runs]
    with screen(views, as_json=as_json) as show:
        for place, event in follow_all(runs, timeout=timeout):
            views[place].observe(event)
            show(views[place], event)
    return views


def view_of(run: ClientRun, *, seeds: bool = False) -> View:
    """Before its first event."""
    recipe = run.record.recipe
    return View(run.id, label_of(recipe, run.id, seeds=seeds), recipe, run.record.progress.steps)


def follow_all(runs: Sequence[ClientRun], *, timeout: float | None) -> Iterator[tuple[int, RunEvent]]:
    """A thread a run. Raises RunTimeout, and what ended a thread."""
    heard: queue.Queue[Heard] = queue.Queue()
    for place, run in enumerate(runs):
        threading.Thread(target=listen, args=(place, run, heard), daemon=True).start()
    until = None if timeout is None else time.monotonic() + timeout
    running = set(range(len(runs)))
    while running:
        place, what = next_heard(heard, until, runs[min(running)], timeout)
        if isinstance(what, ClientError):
            raise what
        if what is None:
            running.remove(place)
        else:
            yield place, what


def next_heard(heard: "queue.Queue[Heard]", until: float | None, waited: ClientRun, timeout: float | None) -> Heard:
    """Raises RunTimeout when there is nothing in time."""
    try:
        return heard.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise RunTimeout(waited.id, timeout or 0.0) from None


def listen(place: int, run: ClientRun, heard: "queue.Queue[Heard]") -> None:
    """One run's events; None after the last."""
    try:
        for event in run.stream():
            heard.put((place, event))
        heard.put((place, None))
    except ClientError as error:
        heard.put((place, error))


SUCCEEDED, FAILED, USAGE, UNREACHABLE, NOT_ALLOWED, CANCELLED, TIMEOUT, DETACHED = 0, 1, 2, 3, 4, 5, 124, 130


def exit_code(statuses: Iterable[str]) -> int:
    """Of several runs: failed before cancelled before succeeded."""
    found = set(statuses)
    return FAILED if "failed" in found else CANCELLED if "cancelled" in found else SUCCEEDED


def why(view: View) -> str:
    """Why it stopped, in a sentence."""
    kept = f"kept epoch {view.best_epoch}" if view.best_epoch else "no epoch was finished"
    match view.reason:
        case "early_stopped" if view.patience is None:
            return f"stopped early at epoch {view.epoch} by {view.recipe.early_stopping.type}; {kept}"
        case "early_stopped":
            best = number(view.monitor, view.best_numbers.get(view.monitor))
            return f"stopped early at epoch {view.epoch}: no better than {best} for {view.patience} epochs; {kept}"
        case "epochs_done":
            return f"all {view.epoch} epochs are done; {kept}"
        case "time_budget":
            return f"its time was up at epoch {view.epoch}; {kept}"
        case "stopped_by_user":
            return f"stopped at epoch {view.epoch} because somebody asked for it; {kept}"
        case "cancelled_by_user":
            return f"cancelled at epoch {view.epoch} because somebody asked for it; {kept}"
        case _:
            return view.reason.replace("_", " ")


def last_words(run: Run, view: View, *, file: Path | None, following: str) -> str:
    """Why it stopped, best, file, next commands."""
    rows = [(view.label, f"{run.id} {run.status}: {why(view)}" if file else f"{run.status}: {why(view)}")]
    if run.failure is not None:
        rows += failure_rows(run.failure)
    if run.best is not None:
        rows.append(("best", f"epoch {run.best.epoch}  {named_numbers(view.best_numbers)}"))
        rows.append(("file", str(file) if file else f"not downloaded: bakehouse best {run.id} -o best.safetensors"))
    return block([*rows, ("next", following)])


def failure_rows(failure: Failure) -> list[tuple[str, str]]:
    """What happened, where, and what to do."""
    where = [("where", failure.pointer)] if failure.pointer else []
    again = "it may go better the next time" if failure.retryable else "change the recipe first"
    return [("what", f"{failure.message} ({failure.code}; {again})"), *where]
