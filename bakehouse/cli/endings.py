"""How it ended: the last words, and the exit code."""

from collections.abc import Iterable
from pathlib import Path

from bakehouse.cli.tables import block
from bakehouse.cli.view import View, named_numbers, number
from bakehouse.runs.run import Failure, Run

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
