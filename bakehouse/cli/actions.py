"""`bakehouse cancel`, `stop`, `pause`, `resume` and `change`."""

from collections.abc import Callable, Iterable
from operator import methodcaller

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.failures import print_error
from bakehouse.cli.formats import format_status
from bakehouse.cli.output import print_json
from bakehouse.client import Client, ClientRun, Conflict, NotFound
from bakehouse.client.async_run import Action
from bakehouse.runs.run import Run

ACTIONS: dict[Action, Callable[[ClientRun], ClientRun]] = {
    "cancel": ClientRun.cancel,
    "stop": ClientRun.stop,
    "pause": ClientRun.pause,
    "resume": ClientRun.resume,
}


def request_action(ids: Iterable[str], action: Action, *, as_json: bool, fields: str | None) -> None:
    """Requests the action for each run, also after a run has refused it."""
    change_all(ids, ACTIONS[action], format_action, as_json=as_json, fields=fields)


def change_priority(ids: Iterable[str], priority: int, *, as_json: bool, fields: str | None) -> None:
    """Gives each run the priority, also after a run has refused it."""
    change = methodcaller("set_priority", priority)
    change_all(ids, change, format_priority, as_json=as_json, fields=fields)


def format_action(record: Run) -> str:
    return format_status(record.status, record.request)


def format_priority(record: Run) -> str:
    place = f", place {record.queue.position} in the queue" if record.queue else ""
    return f"{record.status}, priority {record.priority}{place}"


def change_all(
    ids: Iterable[str],
    change: Callable[[ClientRun], ClientRun],
    describe: Callable[[Run], str],
    *,
    as_json: bool,
    fields: str | None,
) -> None:
    """Changes each run and prints it, also after a run has refused the change."""
    codes: list[ExitCode] = []
    with Client() as client:
        for run_id in dict.fromkeys(ids):
            try:
                record = change(client.run(run_id)).record
            except (NotFound, Conflict) as error:
                codes.append(print_error(error))
                continue
            if as_json or fields is not None:
                print_json(record.model_dump(mode="json"), fields)
            else:
                print(f"{record.id}  {describe(record)}")
    if codes:
        raise typer.Exit(codes[0])
