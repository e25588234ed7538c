"""Predicts when waiting runs start, from the progress of those that are trained at the moment."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor

# Halvings of the interval that contains an answer, which is given to a thousandth of it.
HALVINGS = 10
# Time for which the progress of the trained runs is not read again.
TRUSTED_MS = 2000


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds until each worker is free, and those that a run takes."""

    free: tuple[float, ...]
    mean: float

    def starts_in(self, ahead: int) -> float:
        """Returns the seconds after which a run starts that has others ahead."""
        early = 0.0
        late = max(self.free) + (ahead // len(self.free)) * self.mean
        for _ in range(HALVINGS):
            middle = (early + late) / 2
            if self._started(middle) > ahead:
                late = middle
            else:
                early = middle
        return late

    def _started(self, seconds: float) -> int:
        """Returns how many runs have started after some seconds."""
        return sum(floor((seconds - free) / self.mean) + 1 for free in self.free if free <= seconds)


def read_pace(trained: Iterable[Sequence[bytes | str | None]], workers: int) -> Pace | None:
    """Returns the pace of workers that train runs with this progress and these seconds, both as JSON. Runs that follow
    are taken to last as long as these. None if a worker is idle, so that what waits may not fit it, or if a run has no
    estimated time yet."""
    known = [(json.loads(progress)["eta_seconds"], json.loads(seconds)) for progress, seconds in trained
             if progress is not None and seconds is not None]  # fmt: skip
    if len(known) < max(1, workers) or any(eta is None for eta, _ in known):
        return None
    mean = sum(eta + seconds for eta, seconds in known) / len(known)
    return Pace(tuple(eta for eta, _ in known), max(mean, 0.1))
