"""Measures how long the epochs of an attempt take, from which the service predicts the time of later runs."""

from dataclasses import dataclass

from bakehouse.runs.measurements import Measurement, Work

# A long training is measured while it runs, so that those behind it in the queue can be predicted.
MEASURE_EVERY_SECONDS = 10.0


@dataclass(slots=True)
class Stopwatch:
    """Notes when epochs end. All times are in seconds since the attempt began."""

    run: str
    device: str
    work: Work
    began: float
    """Time of the first step."""
    epochs: int = 0
    first: float = 0.0
    """The end of the first epoch."""
    last: float = 0.0
    """The end of the latest epoch."""
    measured: float = 0.0

    def note_epoch(self, now: float) -> None:
        """Notes the end of an epoch."""
        self.epochs += 1
        self.last = now
        if self.epochs == 1:
            self.first = now

    def is_due(self, now: float) -> bool:
        """Returns whether the training was not measured for a while."""
        return now - self.measured >= MEASURE_EVERY_SECONDS

    def measurement(self, now: float, *, stopped_after: int | None = None) -> Measurement:
        """Returns what was measured of at least one epoch."""
        self.measured = now
        # The first epoch is often slower: memory is allocated, and a model may be compiled.
        later = self.epochs - 1
        epoch_seconds = (self.last - self.first) / later if later else self.last - self.began
        return Measurement(
            run=self.run,
            device=self.device,
            work=self.work,
            epoch_seconds=round(epoch_seconds, 6),
            other_seconds=round(max(0.0, now - self.epochs * epoch_seconds), 6),
            stopped_after=stopped_after,
        )
