"""`bakehouse ls`, `datasets` and `workers`."""

import sys
from itertools import islice

import typer

from bakehouse.cli.output import output_width, print_json_list
from bakehouse.cli.tables import datasets_table, runs_table, workers_table
from bakehouse.client import Client
from bakehouse.plurals import count_of
from bakehouse.runs.status import Status

NO_RUNS = """no runs yet: a run is one training of one recipe, which a worker carries out
  next: echo '{"dataset": "digits", "architecture": "mlp"}' | bakehouse run -"""
NO_MATCHES = """no run matches
  next: `bakehouse ls` lists all runs"""
NO_DATASETS = """no data sets: a data set is a file or a folder that a recipe can name, such as data/houses.csv
  next: BAKEHOUSE_DATA=data bakehouse up"""
NO_WORKERS = """no workers: a worker is a process that trains one run at a time, so runs wait in the queue
  next: `bakehouse up` runs the service with workers; `bakehouse worker` adds workers to a service"""


def list_runs(*, status: Status | None, labels: list[str], limit: int, as_json: bool, fields: str | None) -> None:
    """Prints the latest runs that match."""
    chosen = parse_labels(labels)
    with Client() as client:
        if as_json or fields is not None:
            runs = islice(client.runs(status=status, labels=chosen), limit)
            print_json_list([run.record for run in runs], fields)
            return
        rows = list(islice(client.brief_runs(status=status, labels=chosen), limit))
    print_list(runs_table(rows), len(rows), lesson=NO_MATCHES if status or chosen else NO_RUNS)


def list_datasets(*, as_json: bool, fields: str | None) -> None:
    """Prints the data sets."""
    with Client() as client:
        listings = client.datasets()
    if as_json or fields is not None:
        print_json_list(listings, fields)
    else:
        print_list(datasets_table(listings), len(listings), lesson=NO_DATASETS)
        packing = sum(listing.status == "packing" for listing in listings)
        if packing:
            print(f"{count_of(packing, 'data set')} being read for the first time; look again soon", file=sys.stderr)


def list_workers(*, as_json: bool, fields: str | None) -> None:
    """Prints the workers."""
    with Client() as client:
        workers = client.workers()
    if as_json or fields is not None:
        print_json_list(workers, fields)
    else:
        print_list(workers_table(workers), len(workers), lesson=NO_WORKERS)


def print_list(text: str, count: int, *, lesson: str) -> None:
    """Prints a table. If it has no rows, says on stderr what its rows would be and how to get one."""
    # A program gets the heading in any case.
    if count or output_width() is None:
        print(text)
    if not count:
        print(f"bakehouse: {lesson}", file=sys.stderr)


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """Parses labels of the form `owner:me`."""
    for pair in pairs:
        if ":" not in pair:
            raise typer.BadParameter(f"{pair!r} is not of the form key:value", param_hint="--label")
    return dict(pair.split(":", 1) for pair in pairs)
