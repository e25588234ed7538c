"""Recipes of known length, and stored runs: how to make one without a service, and how to wait for its end."""

from typing import Any

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.runs.record import Record, new_run
from bakehouse.runs.run import Event
from bakehouse.runs.status import Status
from bakehouse.runs.store import Store
from bakehouse.runs.stored_runs import StoredRuns
from bakehouse.settings import Settings
from tests.processes import LIMIT_SECONDS, wait_until

Document = dict[str, Any]

# About five seconds on one core: several bests, several resume states, and an early stop.
REFERENCE: Document = {
    "dataset": "digits",
    "architecture": {"type": "mlp", "hidden": [256, 256]},
    "dropout": 0.5,
    "optimizer": {"type": "adam", "lr": 1e-4},
    "batch_size": 32,
    "epochs": 2000,
    "early_stopping": 20,
    "seed": 4,
}
ENDLESS: Document = {**REFERENCE, "epochs": 100_000, "early_stopping": "none"}
SHORT: Document = {"dataset": "iris", "architecture": "linear", "epochs": 2}


def store_run(store: Store, settings: Settings, recipe: Document) -> str:
    """Stores a run as the service does, but wakes no worker; returns its id."""
    limits = Limits(parameters=10**9)
    runs = StoredRuns(store)
    plan = prepare(recipe, Catalog(settings), limits, runs=runs, wait_seconds=LIMIT_SECONDS).plan
    run = new_run(plan.recipe, advice=(), steps=plan.steps, dataset_fingerprint=plan.card.fingerprint)
    return store.create(run).run.id


def wait_for_status(store: Store, run_id: str, *statuses: Status) -> Record:
    """Returns the record once the run has one of the statuses."""

    def look() -> Record | None:
        record = store.record(run_id)
        return record if record.status in statuses else None

    return wait_until(look)


def events_of(store: Store, run_id: str) -> list[Event]:
    """The run's whole log."""
    return store.events(run_id, limit=1_000_000)
