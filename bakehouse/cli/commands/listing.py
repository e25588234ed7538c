"""The commands that list and show what the service has."""

from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields, RunId
from bakehouse.runs.status import Status


def ls(
    status: Annotated[Status | None, typer.Option(help="List only runs with this status.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY:VALUE", help="List only runs with this label.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many runs.")] = 20,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """List the latest runs."""
    from bakehouse.cli.listing import list_runs

    list_runs(status=status, labels=label or [], limit=limit, as_json=as_json, fields=fields)


def show(run_id: RunId, as_json: AsJson = False, fields: Fields = None) -> None:
    """Show a run: its status, recipe, metrics, checkpoints and advice."""
    from bakehouse.cli.show import show_run

    show_run(run_id, as_json=as_json, fields=fields)


def log(
    run_id: RunId,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="The number of the attempt; by default the latest.")
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Print what the training process of a run wrote, with the traceback of an unforeseen error."""
    from bakehouse.cli.log_command import print_log

    print_log(run_id, attempt, as_json=as_json, fields=fields)


def datasets(as_json: AsJson = False, fields: Fields = None) -> None:
    """List the data sets that a recipe can name."""
    from bakehouse.cli.listing import list_datasets

    list_datasets(as_json=as_json, fields=fields)


def workers(as_json: AsJson = False, fields: Fields = None) -> None:
    """List the workers with their devices and the runs that they train."""
    from bakehouse.cli.listing import list_workers

    list_workers(as_json=as_json, fields=fields)
