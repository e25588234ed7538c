"""Many runs at once: their events in one sequence, in order for each run."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence

from bakehouse.cli.screens import screen
from bakehouse.cli.view import View, label_of
from bakehouse.client import ClientError, ClientRun, RunEvent, RunTimeout

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
