"""Posts experiments, extends them and watches them."""

import sys
from collections.abc import Callable

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.experiments.watching import watch_and_answer
from bakehouse.cli.output import print_json
from bakehouse.client import Client, ClientExperiment
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of


def ask(document_of: Callable[[Client], JsonObject], *, detach: bool, timeout: float | None, as_json: bool) -> ExitCode:
    """Posts an experiment and watches it."""
    with Client() as client:
        experiment = client.experiment(document_of(client))
        return watch_unless_detached(experiment, detach=detach, timeout=timeout, as_json=as_json)


def extend_and_watch(
    experiment_id: str, more: JsonObject, *, detach: bool, timeout: float | None, as_json: bool
) -> ExitCode:
    """Adds seeds, variants or values of axes to an experiment, and watches it."""
    with Client() as client:
        experiment = client.experiment(experiment_id).extend(**more)
        return watch_unless_detached(experiment, detach=detach, timeout=timeout, as_json=as_json)


def watch_unless_detached(
    experiment: ClientExperiment, *, detach: bool, timeout: float | None, as_json: bool
) -> ExitCode:
    """Watches an experiment until it is over, or only prints its id."""
    record = experiment.record
    if not detach:
        size = f"{count_of(len(record.arms), 'arm')}, {count_of(len(record.runs) + len(record.missing), 'run')}"
        if not record.arms:
            size = f"a search of {count_of(record.plain_document['design']['trials'], 'trial')}"
        print(f"{record.id}: {size}", file=sys.stderr)
        return watch_and_answer(experiment, timeout=timeout, as_json=as_json)
    if as_json:
        print_json(record.model_dump(mode="json"), None)
        return ExitCode.SUCCEEDED
    print(record.id)
    print(f"  bakehouse experiment watch {record.id}", file=sys.stderr)
    return ExitCode.SUCCEEDED


def watch_posted(experiment_id: str, *, timeout: float | None, as_json: bool) -> ExitCode:
    """Watches an experiment that was posted before."""
    with Client() as client:
        return watch_and_answer(client.experiment(experiment_id), timeout=timeout, as_json=as_json)
