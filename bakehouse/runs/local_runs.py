"""Reads the runs that `bakehouse train` trained without a service: each has a folder with its record and its files."""

from pathlib import Path

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.migrations import parse_record
from bakehouse.runs.record import Record

RECORD = "record.json"
FILES = "artifacts"


class LocalRuns:
    """Finds the runs whose folders are inside `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.location = f"in the folders of {root}, where `bakehouse train` keeps its runs"

    def find(self, run_id: str) -> Record | None:
        """Returns the record of a run, or None if there is none that this version can read."""
        return next((record for _, record in self._records() if record.id == run_id), None)

    def artifacts(self, run_id: str) -> Artifacts:
        """Returns the store of a run's files; its folder may not exist."""
        folder = next((folder for folder, record in self._records() if record.id == run_id), self._root / run_id)
        return Artifacts(folder / FILES)

    def _records(self) -> list[tuple[Path, Record]]:
        records = []
        # Sorting makes the choice the same on every file system if a folder was copied and two runs have the same id.
        for path in sorted(self._root.glob(f"*/{RECORD}")):
            try:
                records.append((path.parent, parse_record(path.read_text(encoding="utf-8"))))
            except (ValueError, OSError):
                continue  # written by another version, or removed meanwhile
        return records
