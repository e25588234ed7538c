"""`bakehouse ls`, `datasets` and `workers`."""

from itertools import islice

import typer

from bakehouse.cli.output import print_json_list
from bakehouse.cli.tables import datasets_table, runs_table, workers_table
from bakehouse.client import Client
from bakehouse.runs.status import Status


def list_runs(*, status: Status | None, labels: list[str], limit: int, as_json: bool, fields: str | None) -> None:
    """Prints the latest runs that match."""
    with Client() as client:
        runs = islice(client.runs(status=status, labels=parse_labels(labels)), limit)
        records = [run.record for run in runs]
    if as_json or fields:
        print_json_list(records, fields)
    else:
        print(runs_table(records))


def list_datasets(*, as_json: bool, fields: str | None) -> None:
    """Prints the data sets."""
    with Client() as client:
        listings = client.datasets()
    if as_json or fields:
        print_json_list(listings, fields)
    else:
        print(datasets_table(listings))


def list_workers(*, as_json: bool, fields: str | None) -> None:
    """Prints the workers."""
    with Client() as client:
        workers = client.workers()
    if as_json or fields:
        print_json_list(workers, fields)
    else:
        print(workers_table(workers))


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """Parses labels of the form `owner:me`."""
    for pair in pairs:
        if ":" not in pair:
            raise typer.BadParameter(f"{pair!r} is not of the form key:value", param_hint="--label")
    return dict(pair.split(":", 1) for pair in pairs)
