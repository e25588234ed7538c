"""Remembers for a moment which checkpoint an epoch of a run is, because many ranges of one file are often downloaded at
once."""

from collections import OrderedDict
from time import monotonic

from bakehouse.runs.run import Checkpoint

MAX_CHECKPOINTS = 1000
KEEP_SECONDS = 1.0


class CheckpointCache:
    """The checkpoints that were found last. A deleted one may still be here, but its file cannot be opened any more."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], tuple[float, Checkpoint]] = OrderedDict()

    def get(self, run_id: str, epoch: str) -> Checkpoint | None:
        """Returns the checkpoint if it was found less than a second ago."""
        found_at, checkpoint = self._found.get((run_id, epoch), (0.0, None))
        return checkpoint if monotonic() - found_at < KEEP_SECONDS else None

    def put(self, run_id: str, epoch: str, checkpoint: Checkpoint) -> None:
        """Remembers a checkpoint that was just found."""
        self._found[run_id, epoch] = monotonic(), checkpoint
        self._found.move_to_end((run_id, epoch))
        if len(self._found) > MAX_CHECKPOINTS:
            self._found.popitem(last=False)
