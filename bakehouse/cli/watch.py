"""Follows runs until all are over, shows them meanwhile, and prints how they ended.

Each run is followed by a thread, because each has a connection that blocks; all threads put their events into one
queue, so that a single thread updates the views and draws.
"""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue

from bakehouse.cli.exit_codes import ExitCode, exit_code_of
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.cli.leaving import detached_text, stops_on_request
from bakehouse.cli.notification import Notification
from bakehouse.cli.screens import screen
from bakehouse.cli.show import summary
from bakehouse.cli.tables import results_table
from bakehouse.cli.view import View, label_of
from bakehouse.client import ClientRun, RunEvent, RunTimeout

Item = tuple[int, RunEvent | Exception | None]
"""The index of a run, and its next event, the error that ended its thread, or None after its last event."""


def watch_and_report(
    runs: Sequence[ClientRun],
    *,
    as_json: bool,
    timeout: float | None,
    output: Path | None = None,
    by_seed: bool = False,
    notification: Notification | None = None,
) -> ExitCode:
    """Watches runs, downloads the best weights to `output`, and prints the results. Ctrl-C ends only the watching, or
    the runs too if the user says so; then the code is INTERRUPTED."""
    try:
        with raise_on_interrupt():
            views = watch(runs, as_json=as_json, timeout=timeout, by_seed=by_seed, notification=notification)
    except KeyboardInterrupt:
        # Watching again would print the events of `--json` a second time.
        if as_json or not stops_on_request(runs):
            print(detached_text(runs), file=sys.stderr)
            return ExitCode.INTERRUPTED
        watch_and_report(
            runs, as_json=as_json, timeout=timeout, output=output, by_seed=by_seed, notification=notification
        )
        return ExitCode.INTERRUPTED
    file = None
    if output is not None and runs[0].best is not None:
        file = runs[0].download_best(output)
    for run, view in zip(runs, views, strict=True):
        print(summary(run.record, view, file=file, next_command=f"bakehouse show {run.id}"), file=sys.stderr)
    if not as_json:
        print_results(runs, views)
    return exit_code_of(run.status for run in runs)


def print_results(runs: Sequence[ClientRun], views: Sequence[View]) -> None:
    """Prints on stdout a table of runs that are over."""
    results = [(run.record, view.label, view.best_metrics) for run, view in zip(runs, views, strict=True)]
    print(results_table(results), flush=True)


def watch(
    runs: Sequence[ClientRun],
    *,
    as_json: bool,
    timeout: float | None,
    by_seed: bool = False,
    notification: Notification | None = None,
) -> list[View]:
    """Shows runs until all are over; returns their last views. Sends the notification when a run ends. Raises
    RunTimeout if that takes too long."""
    views = [initial_view(run, by_seed=by_seed) for run in runs]
    with screen(views, as_json=as_json) as show:
        for index, event in follow_all(runs, timeout=timeout):
            views[index].observe(event)
            show(views[index], event)
            if event.type == "end" and notification is not None:
                notification.send(runs[index].id, views[index].status)
    return views


def initial_view(run: ClientRun, *, by_seed: bool) -> View:
    recipe = run.record.plain_recipe
    return View(run.id, label_of(recipe, run.id, by_seed=by_seed), recipe, run.record.progress.steps)


def follow_all(runs: Sequence[ClientRun], *, timeout: float | None) -> Iterator[tuple[int, RunEvent]]:
    """Yields the events of all runs as they arrive, each with the index of its run. Raises RunTimeout after `timeout`
    seconds, and ClientError if a run cannot be followed."""
    items: Queue[Item] = Queue()
    for index, run in enumerate(runs):
        # Daemon threads do not keep the command alive after Ctrl-C or a timeout.
        threading.Thread(target=forward_events, args=(index, run, items), daemon=True).start()
    deadline = None if timeout is None else time.monotonic() + timeout
    running = set(range(len(runs)))
    while running:
        try:
            index, item = items.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except Empty:
            raise RunTimeout(runs[min(running)].id, timeout or 0.0) from None
        match item:
            case Exception():
                raise item
            case None:
                running.remove(index)
            case RunEvent():
                yield index, item


def forward_events(index: int, run: ClientRun, items: "Queue[Item]") -> None:
    try:
        for event in run.stream():
            items.put((index, event))
        items.put((index, None))
    except Exception as error:  # noqa: BLE001 - the thread that reads the queue raises it
        items.put((index, error))
