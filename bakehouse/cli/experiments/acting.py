"""`bakehouse experiment pause`, `resume`, `stop`, `cancel` and `rm`."""

import sys
from collections.abc import Callable, Iterable

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.failures import print_error
from bakehouse.cli.output import print_json
from bakehouse.client import Client, ClientExperiment, Conflict, NotFound
from bakehouse.client.async_experiment import DeletedExperiment
from bakehouse.client.async_run import Action
from bakehouse.plurals import count_of

ACTIONS: dict[Action, Callable[[ClientExperiment], ClientExperiment]] = {
    "cancel": ClientExperiment.cancel,
    "stop": ClientExperiment.stop,
    "pause": ClientExperiment.pause,
    "resume": ClientExperiment.resume,
}


def request_action(ids: Iterable[str], action: Action, *, as_json: bool, fields: str | None) -> None:
    """Requests the action for each experiment, also after one has refused it."""
    codes: list[ExitCode] = []
    with Client() as client:
        for experiment_id in dict.fromkeys(ids):
            try:
                record = ACTIONS[action](client.experiment(experiment_id)).record
            except (NotFound, Conflict) as error:
                codes.append(print_error(error))
                continue
            if as_json or fields is not None:
                print_json(record.model_dump(mode="json"), fields)
            else:
                note = f" ({action} requested)" if record.status in ("running", "queued") and record.request else ""
                print(f"{record.id}  {record.status}{note}")
    if codes:
        raise typer.Exit(codes[0])


def delete_experiment(experiment_id: str, *, is_sure: bool, as_json: bool) -> None:
    """Says what would be deleted, asks, and deletes it."""
    with Client() as client:
        experiment = client.experiment(experiment_id)
        preview = experiment.delete(validate_only=True)
        print(preview_text(preview), file=sys.stderr)
        if not is_sure and not agrees():
            raise typer.Exit(ExitCode.USAGE)
        deleted = experiment.delete()
    if as_json:
        print_json(deleted.model_dump(mode="json"), None)
    else:
        runs = count_of(len(deleted.runs), "run")
        print(f"deleted {deleted.id} with {runs}, {deleted.bytes_freed:,} bytes")


def preview_text(preview: DeletedExperiment) -> str:
    """Returns what a deletion deletes, and what stays."""
    text = f"this deletes {preview.id} and {count_of(len(preview.runs), 'run')} with all checkpoints"
    if not preview.kept:
        return text
    verb = "stays" if len(preview.kept) == 1 else "stay"
    return f"{text}; {count_of(len(preview.kept), 'run')} {verb}, which others need or were trained before"


def agrees() -> bool:
    """Asks the user on a terminal; elsewhere, says which option is missing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print("bakehouse: nothing was deleted; --yes deletes without a question", file=sys.stderr)
        return False
    print("delete (y), or keep everything (Enter)? ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
