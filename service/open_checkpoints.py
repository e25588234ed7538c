"""Keeps the files of checkpoints open for a moment, because many ranges of one file are often downloaded at once."""

import asyncio
import os
from dataclasses import dataclass
from typing import BinaryIO

from bakehouse.runs.run import Checkpoint

MAX_FILES = 100
KEEP_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class OpenCheckpoint:
    """A checkpoint and its file."""

    checkpoint: Checkpoint
    file: BinaryIO

    def is_deleted(self) -> bool:
        """Whether the file has been deleted, or replaced by another one."""
        try:
            return os.fstat(self.file.fileno()).st_nlink == 0
        except OSError:  # a network file system has forgotten the file
            return True

    def duplicate(self) -> BinaryIO:
        """Returns the same open file, to be closed by the caller."""
        return os.fdopen(os.dup(self.file.fileno()), "rb", buffering=0)


class OpenCheckpoints:
    """The checkpoints that were opened last, by run and epoch. Belongs to one event loop."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], OpenCheckpoint] = {}

    def get(self, run_id: str, epoch: str) -> OpenCheckpoint | None:
        """Returns the checkpoint if it was opened less than a moment ago and has not been deleted since."""
        found = self._open.get((run_id, epoch))
        return None if found is None or found.is_deleted() else found

    def put(self, run_id: str, epoch: str, opened: OpenCheckpoint) -> None:
        """Keeps a checkpoint that was just opened, and closes its file in a moment."""
        key = run_id, epoch
        if key in self._open:
            self._close(key, self._open[key])
        elif len(self._open) >= MAX_FILES:
            oldest = next(iter(self._open))
            self._close(oldest, self._open[oldest])
        self._open[key] = opened
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._close, key, opened)

    def _close(self, key: tuple[str, str], opened: OpenCheckpoint) -> None:
        opened.file.close()
        # Another request may have opened the checkpoint again.
        if self._open.get(key) is opened:
            del self._open[key]
