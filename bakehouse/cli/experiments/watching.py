"""Follows an experiment until all its runs are over, shows it meanwhile, and prints the answer."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, Queue

from rich.console import Console
from rich.live import Live

from bakehouse.cli.exit_codes import ExitCode, exit_code_of
from bakehouse.cli.experiments.answer import print_answer
from bakehouse.cli.experiments.board import Board
from bakehouse.cli.experiments.grid_lines import grid_text
from bakehouse.cli.formats import sanitize
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.cli.output import print_json
from bakehouse.client import ClientExperiment, ExperimentEvent
from bakehouse.experiments.experiment import ExperimentRun
from bakehouse.experiments.words import value_text
from bakehouse.plurals import count_of

Item = ExperimentEvent | Exception | None
"""The next event, the error that ended the stream, or None after its end."""
Show = Callable[[Board], None]
REDRAW_SECONDS = 1.0
FOLLOWED = ("state", "end")


def watch_and_answer(experiment: ClientExperiment, *, timeout: float | None, as_json: bool) -> ExitCode:
    """Shows an experiment until it is over, and prints its answer. Ctrl-C ends only the watching."""
    try:
        with raise_on_interrupt():
            board = watch(experiment, timeout=timeout)
    except KeyboardInterrupt:
        print(detached_text(experiment), file=sys.stderr)
        return ExitCode.INTERRUPTED
    results = experiment.results()
    if as_json:
        print_json(results.model_dump(mode="json"), None)
    else:
        print(f"the report: bakehouse experiment report {experiment.id}", file=sys.stderr)
        print_answer(results)
    return exit_code_of(board.endings())


def detached_text(experiment: ClientExperiment) -> str:
    """Returns that the runs continue, with the commands to look again, and to end them."""
    command = "bakehouse experiment"
    return (
        f"\nno longer watching; {experiment.id} continues\n"
        f"  {command} watch {experiment.id}    watches again\n"
        f"  {command} results {experiment.id}  shows the answer so far\n"
        f"  {command} cancel {experiment.id}   gives up"
    )


def watch(experiment: ClientExperiment, *, timeout: float | None) -> Board:
    """Shows an experiment until all its runs are over. Raises ExperimentTimeout if that takes too long."""
    board = Board(experiment.record)
    with screen(board) as show:
        known: set[str] = set()
        for events in follow(experiment, timeout=timeout):
            update(board, experiment, events)
            ended = {run.run for run in board.ended()}
            # One request has the values of all runs that have ended meanwhile.
            if ended - known or board.results is None:
                board.results = experiment.results()
                known = ended
            show(board)
        board.read(experiment.record)
        board.results = experiment.results()
        show(board)
    return board


def update(board: Board, experiment: ClientExperiment, events: list[ExperimentEvent]) -> None:
    """Brings the board up to date."""
    # The thread that follows the events reads the experiment anew when events may be missing.
    if experiment.record is not board.record:
        board.read(experiment.record)
    known = [board.observe(event) for event in events]
    if not all(known):
        board.read(experiment.refresh().record)


def follow(experiment: ClientExperiment, *, timeout: float | None) -> Iterator[list[ExperimentEvent]]:
    """Yields the events that have come meanwhile, and now and then none. A thread follows them, because a connection
    blocks."""
    items: Queue[Item] = Queue()
    # A daemon thread does not keep the command alive after Ctrl-C.
    threading.Thread(target=forward_events, args=(experiment, items, timeout), daemon=True).start()
    yield []
    while True:
        events: list[ExperimentEvent] = []
        for item in waiting_items(items):
            match item:
                case Exception():
                    raise item
                case None:
                    yield events
                    return
                case ExperimentEvent():
                    events.append(item)
        yield events


def waiting_items(items: "Queue[Item]") -> Iterator[Item]:
    """Yields what is in the queue; waits at most a second for the first."""
    try:
        yield items.get(timeout=REDRAW_SECONDS)
        while True:
            yield items.get_nowait()
    except Empty:
        return


def forward_events(experiment: ClientExperiment, items: "Queue[Item]", timeout: float | None) -> None:
    try:
        for event in experiment.stream(types=FOLLOWED, timeout=timeout):
            items.put(event)
        items.put(None)
    except Exception as error:  # noqa: BLE001 - the thread that reads the queue raises it
        items.put(error)


def screen(board: Board) -> AbstractContextManager[Show]:
    """Chooses the display: a grid on a terminal, a line for each run that ends elsewhere."""
    # The display goes to stderr, so that stdout has only results.
    console = Console(stderr=True)
    return grid(console) if console.is_terminal else lines(board)


@contextmanager
def grid(console: Console) -> Iterator[Show]:
    """Draws a grid of marks, which goes away at the end."""
    began = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:

        def show(board: Board) -> None:
            seconds = time.monotonic() - began
            live.update(grid_text(board, width=console.width, height=console.height, seconds=seconds), refresh=True)

        yield show


@contextmanager
def lines(board: Board) -> Iterator[Show]:
    """Prints a line on stderr for each run that ends."""
    printed: set[str] = set()
    if reused := board.count("reused"):
        verb = "was" if reused == 1 else "were"
        print(f"{reused:,} of {count_of(board.wanted, 'run')} {verb} trained before", file=sys.stderr)

    if board.record.reason:
        print(sanitize(board.record.reason), file=sys.stderr, flush=True)

    def show(board: Board) -> None:
        for run in board.ended():
            if run.run not in printed:
                printed.add(run.run)
                place = f"{board.count('reused') + len(printed):,} of {count_of(board.wanted, 'run')}"
                print(sanitize(f"{run_text(board, run)}  ({place})"), file=sys.stderr, flush=True)

    yield show
    print(sanitize(ending_text(board)), file=sys.stderr, flush=True)


ENDINGS = (
    ("succeeded", "trained"), ("reused", "trained before"), ("failed", "failed"), ("cancelled", "cancelled"),
)  # fmt: skip


def ending_text(board: Board) -> str:
    """Returns what has become of the runs, and why some of them were not created."""
    counts = [(board.count(state), text) for state, text in ENDINGS]
    parts = [f"{count:,} {text}" for count, text in counts if count]
    if given_up := board.given_up:
        failures = [each for arm in board.results.arms for each in arm.failed] if board.results else []
        reasons = [each.message for each in failures if each.code == "not_created"]
        reason = reasons[0] if reasons else f"the first one {given_up[0].message}"
        parts.append(f"{len(given_up):,} given up: {reason}")
    return f"{board.record.status}, {count_of(board.wanted, 'run')}: {', '.join(parts)}"


def run_text(board: Board, run: ExperimentRun) -> str:
    """Returns the arm and the seed of a run, and its value or why it has none."""
    fold = "" if run.fold is None else f", fold {run.fold}"
    value = board.value(run)
    if value is not None:
        text = f"{board.record.metric} {value_text(value, None, board.record.metric)}"
    else:
        found = board.result(run.arm)
        reason = next((each.message for each in (found.failed if found else ()) if each.run == run.run), "")
        text = f"{board.state(run)}: {reason}" if reason else board.state(run)
    return f"{run.arm}, seed {run.seed}{fold}: {text}"
