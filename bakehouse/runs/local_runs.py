"""The runs that were trained without a service: a folder each, with its record and its files."""

from pathlib import Path

from pydantic import ValidationError

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.record import Record

RECORD, FILES = "record.json", "artifacts"


class LocalRuns:
    """Those in the folders of one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.where = f"in the folders of {root}, where `bakehouse train` keeps its runs"

    def find(self, run_id: str) -> Record | None:
        """The record of a run, if this version can read it."""
        return next((record for _, record in self._records() if record.id == run_id), None)

    def artifacts(self, run_id: str) -> Artifacts:
        """Where a run's files are, or would be."""
        folder = next((folder for folder, record in self._records() if record.id == run_id), self._root / run_id)
        return Artifacts(folder / FILES)

    def _records(self) -> list[tuple[Path, Record]]:
        found = []
        for path in sorted(self._root.glob(f"*/{RECORD}")):
            try:
                found.append((path.parent, Record.model_validate_json(path.read_text(encoding="utf-8"))))
            except (ValidationError, OSError):
                continue  # another version's, or removed meanwhile
        return found
