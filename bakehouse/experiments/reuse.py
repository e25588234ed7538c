"""Finds finished runs that are the result of a new one: the same recipe, data, device class, threads and versions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bakehouse.runs.run import Provenance, Worker
from bakehouse.runs.status import Reason

# Runs that ended for another reason than their recipe's would train further if they were trained again.
BY_RECIPE: frozenset[Reason] = frozenset({"early_stopped", "epochs_done"})


@dataclass(frozen=True)
class Machine:
    """What results depend on besides the recipe and the data."""

    device: str
    threads: int
    versions: tuple[tuple[str, str], ...]


def machines(workers: Iterable[Worker]) -> frozenset[Machine]:
    """Returns what the present workers would train a new run on."""
    return frozenset(machine(worker.device, worker.threads, worker.versions) for worker in workers if worker.versions)


def machine(device: str, threads: int, versions: Mapping[str, str]) -> Machine:
    return Machine(device, threads, tuple(sorted(versions.items())))


READ = ("status", "reason", "exact", "provenance")
"""The fields of a run that decide whether it can be used again."""


def is_reusable(fields: Mapping[str, str], fingerprint: str | None, present: frozenset[Machine]) -> bool:
    """Returns whether a run of the same recipe and seed is the result that a new run would have, to the bit. `fields`
    are those named by READ, each as JSON."""
    values = {name: json.loads(fields.get(name, "null")) for name in READ}
    if values["status"] != "succeeded" or values["reason"] not in BY_RECIPE or values["exact"] is not True:
        return False
    if values["provenance"] is None:
        return False
    found = Provenance.model_validate_json(fields["provenance"])
    # A run that was trained on several machines is not exact, so the provenance names the only one.
    same_data = found.dataset_fingerprint == fingerprint
    return found.exact and same_data and machine(found.device, found.threads, found.versions) in present
