"""Draws the arms and seeds of an experiment as a grid of marks that fits a terminal."""

from collections.abc import Sequence

from rich.text import Text

from bakehouse.cli.experiments.board import MARKS, MEANINGS, Board
from bakehouse.cli.formats import cell_width, format_duration, sanitize, shorten
from bakehouse.cli.tables import pad
from bakehouse.experiments.words import value_text
from bakehouse.plurals import count_of

STYLES = {"running": "yellow", "succeeded": "green", "reused": "cyan", "failed": "bold red", "queued": "dim"}
SHORTEST_NAME = 12
GAP = 2


def grid_text(board: Board, *, width: int, height: int, seconds: float | None = None) -> Text:
    """Returns a line about the experiment, a line for each arm, and what the marks mean."""
    arms = [arm.name for arm in board.record.arms]
    shown = chosen_arms(board, max(1, height - 4))
    if not shown:
        # A search has no arms before its first trial.
        waiting = shorten(f"{head_line(board, seconds)}  waits for the first trial", width)
        # Without a live display, the answer below has the reason.
        reason = None if seconds is None else board.record.reason
        return Text(f"{waiting}\n{sanitize(reason)}" if reason else waiting)
    marks = {arm: marks_of(board, arm) for arm in shown}
    means = {arm: mean_text(board, arm, with_verdict=True) for arm in shown}
    if natural_width(shown, marks, means) > width:
        means = {arm: mean_text(board, arm, with_verdict=False) for arm in shown}
    widths = fit_columns(shown, marks, means, width)
    lines = [Text(shorten(head_line(board, seconds), width))]
    for arm in shown:
        line = Text(pad(shorten(sanitize(arm), widths[0]), widths[0] + GAP))
        line.append_text(pad_marks(marks[arm], widths[1]))
        line.append(shorten(means[arm], widths[2]) if widths[2] else "")
        lines.append(line)
    if more := len(arms) - len(shown):
        lines.append(Text(f"and {count_of(more, 'more arm')}", "dim"))
    lines.append(legend(board, width))
    return Text("\n").join(lines)


def head_line(board: Board, seconds: float | None) -> str:
    record = board.record
    parts = [f"{board.over:,} of {count_of(board.wanted, 'run')} over"]
    if running := board.count("running"):
        parts.append(f"{running} in training")
    if record.status == "paused":
        parts.append("paused")
    if seconds is not None:
        parts.append(format_duration(seconds))
    return sanitize(f"{record.id}  {', '.join(parts)}" + (f"  {record.name}" if record.name else ""))


def chosen_arms(board: Board, most: int) -> list[str]:
    """Returns the arms that there is room for, in their order: those in training, and of the others the first."""
    arms = [arm.name for arm in board.record.arms]
    if len(arms) <= most:
        return arms
    active = {run.arm for run in board.record.runs if board.state(run) == "running"}
    kept = set(sorted(arms, key=lambda arm: arm not in active)[:most])
    return [arm for arm in arms if arm in kept]


def marks_of(board: Board, arm: str) -> Text:
    """Returns a mark for each run of an arm; the folds of a seed stand together."""
    text = Text()
    seed: int | None = None
    for run in board.runs_of(arm):
        if run.fold is not None and seed not in (None, run.seed):
            text.append(" ")
        seed = run.seed
        state = board.state(run)
        text.append(MARKS.get(state, "?"), STYLES.get(state, ""))
    return text


def count_text(board_marks: Text) -> Text:
    """Returns how many runs of an arm are over, in place of marks that do not fit."""
    marks = board_marks.plain.replace(" ", "")
    over = sum(mark in (MARKS["succeeded"], MARKS["reused"], MARKS["failed"], MARKS["cancelled"]) for mark in marks)
    return Text(f"{over}/{len(marks)}")


def mean_text(board: Board, arm: str, *, with_verdict: bool) -> str:
    found = board.result(arm)
    if found is None or found.mean is None:
        return next((each.message for each in board.record.missing if each.arm == arm), "")
    mean = value_text(found.mean, found.interval, board.record.metric)
    return f"{mean}  {found.difference.verdict}" if found.difference is not None and with_verdict else mean


def natural_width(arms: Sequence[str], marks: dict[str, Text], means: dict[str, str]) -> int:
    """Returns the width of the longest line if nothing is cut."""
    # Long names are cut before a verdict is left out.
    name = min(max(cell_width(sanitize(arm)) for arm in arms), 2 * SHORTEST_NAME)
    return name + max(len(each.plain) for each in marks.values()) + max(map(cell_width, means.values())) + 2 * GAP


def fit_columns(arms: Sequence[str], marks: dict[str, Text], means: dict[str, str], width: int) -> tuple[int, int, int]:
    """Returns the widths of names, marks and means. Names are cut first, then long marks become a count, then means
    are cut."""
    name = max(cell_width(sanitize(arm)) for arm in arms)
    mean = max(map(cell_width, means.values()))
    longest = max(len(each.plain) for each in marks.values())
    if min(name, SHORTEST_NAME) + longest + 2 * GAP > width - min(mean, 8):
        for arm, each in marks.items():
            marks[arm] = count_text(each)
        longest = max(len(each.plain) for each in marks.values())
    room = width - longest - 2 * GAP
    name = min(name, max(SHORTEST_NAME, room - mean))
    return name, longest + GAP, max(0, room - name)


def pad_marks(marks: Text, width: int) -> Text:
    return marks + Text(" " * (width - len(marks.plain)))


def legend(board: Board, width: int) -> Text:
    """Returns what the marks mean, those that are there."""
    text = Text()
    for state, mark in MARKS.items():
        if board.count(state) and len(text.plain) + len(MEANINGS[state]) + 4 <= width:
            text.append(mark, STYLES.get(state, "")).append(f" {MEANINGS[state]}  ", "dim")
    return text
