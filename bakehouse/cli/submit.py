"""`bakehouse run` and `bakehouse watch`: submit recipes and follow runs."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.output import print_json_list
from bakehouse.cli.watch import watch_and_report
from bakehouse.client import Client
from bakehouse.model import JsonObject


def submit_and_watch(
    documents: Sequence[JsonObject], *, timeout: float | None, as_json: bool, output: Path | None
) -> ExitCode:
    """Submits recipes and watches their runs."""
    with Client() as client:
        runs = [client.submit(document) for document in documents]
        return watch_and_report(runs, timeout=timeout, as_json=as_json, output=output, by_seed=len(runs) > 1)


def submit_and_detach(documents: Sequence[JsonObject], *, as_json: bool) -> None:
    """Submits recipes and prints the ids of their runs."""
    with Client() as client:
        runs = [client.submit(document) for document in documents]
    if as_json:
        print_json_list([run.record for run in runs], fields=None)
        return
    ids = [run.id for run in runs]
    print("\n".join(ids))
    print(f"  bakehouse watch {' '.join(ids)}", file=sys.stderr)


def watch_submitted(ids: Iterable[str], *, timeout: float | None, as_json: bool) -> ExitCode:
    """Watches runs that were submitted before."""
    with Client() as client:
        # An id that is given twice is watched once.
        runs = [client.run(run_id) for run_id in dict.fromkeys(ids)]
        return watch_and_report(runs, timeout=timeout, as_json=as_json)
