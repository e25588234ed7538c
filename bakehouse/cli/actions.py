"""`bakehouse cancel`, `stop`, `pause` and `resume`."""

from collections.abc import Callable, Iterable

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.failures import print_error
from bakehouse.cli.formats import format_status
from bakehouse.cli.output import print_json
from bakehouse.client import Client, ClientRun, Conflict, NotFound
from bakehouse.client.async_run import Action

ACTIONS: dict[Action, Callable[[ClientRun], ClientRun]] = {
    "cancel": ClientRun.cancel,
    "stop": ClientRun.stop,
    "pause": ClientRun.pause,
    "resume": ClientRun.resume,
}


def request_action(ids: Iterable[str], action: Action, *, as_json: bool, fields: str | None) -> None:
    """Requests the action for each run, also after a run has refused it."""
    codes: list[ExitCode] = []
    with Client() as client:
        for run_id in dict.fromkeys(ids):
            try:
                record = ACTIONS[action](client.run(run_id)).record
            except (NotFound, Conflict) as error:
                codes.append(print_error(error))
                continue
            if as_json or fields is not None:
                print_json(record.model_dump(mode="json"), fields)
            else:
                print(f"{record.id}  {format_status(record.status, record.request)}")
    if codes:
        raise typer.Exit(codes[0])
