"""`bakehouse run` and `bakehouse watch`: submit recipes and follow runs."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.cli.notification import Notification
from bakehouse.cli.output import print_json_list
from bakehouse.cli.watch import watch_and_report
from bakehouse.client import Client, ClientError, ClientRun
from bakehouse.model import JsonObject


def submit_and_watch(
    documents: Sequence[JsonObject],
    *,
    priority: int,
    detach: bool,
    output: Path | None,
    timeout: float | None,
    notify: str | None,
    as_json: bool,
) -> ExitCode:
    """Submits recipes and watches their runs, or only prints their ids."""
    with Client() as client:
        runs = submit_all(partial(client.submit, priority=priority), documents)
        return watch_unless_detached(
            runs, detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json
        )


def watch_unless_detached(
    runs: list[ClientRun],
    *,
    detach: bool,
    output: Path | None,
    timeout: float | None,
    notify: str | None,
    as_json: bool,
) -> ExitCode:
    """Watches new runs until they are over, and runs the command `notify` when one of them ends; or only prints their
    ids."""
    if detach:
        print_ids(runs, as_json=as_json)
        return ExitCode.SUCCEEDED
    return watch_and_report(
        runs,
        timeout=timeout,
        as_json=as_json,
        output=output,
        by_seed=len(runs) > 1,
        notification=None if notify is None else Notification(notify),
    )


def submit_all(submit: Callable[[JsonObject], ClientRun], documents: Iterable[JsonObject]) -> list[ClientRun]:
    """Submits documents one after the other. If that ends early, prints the ids of the runs that exist already."""
    runs: list[ClientRun] = []
    try:
        with raise_on_interrupt():
            for document in documents:
                runs.append(submit(document))  # noqa: PERF401 - the runs so far are needed if one cannot be submitted
    except (KeyboardInterrupt, ClientError):
        if runs:
            ids = " ".join(run.id for run in runs)
            print(f"submitted so far:\n  bakehouse watch {ids}\n  bakehouse cancel {ids}", file=sys.stderr)
        raise
    return runs


def print_ids(runs: Sequence[ClientRun], *, as_json: bool) -> None:
    """Prints the ids of new runs on stdout, and on stderr the command that watches them."""
    if as_json:
        print_json_list([run.record for run in runs], fields=None)
        return
    ids = [run.id for run in runs]
    print("\n".join(ids))
    print(f"  bakehouse watch {' '.join(ids)}", file=sys.stderr)


def watch_submitted(ids: Iterable[str], *, timeout: float | None, as_json: bool, notify: str | None) -> ExitCode:
    """Watches runs that were submitted before; runs the command `notify` when one of them ends."""
    with Client() as client:
        # An id that is given twice is watched once.
        runs = [client.run(run_id) for run_id in dict.fromkeys(ids)]
        notification = None if notify is None else Notification(notify)
        return watch_and_report(runs, timeout=timeout, as_json=as_json, notification=notification)
