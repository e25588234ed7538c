"""Finds the runs in Redis whose checkpoints a recipe may build on."""

from dataclasses import dataclass

from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.record import Record
from bakehouse.runs.store import Store


@dataclass(frozen=True)
class StoredRuns:
    """Finds the runs whose checkpoints a recipe may build on."""

    store: Store
    location: str = "here"

    def find(self, run_id: str) -> Record | None:
        """Returns the record of a run, or None if there is none."""
        try:
            return self.store.record(run_id)
        except RunNotFound:
            return None
