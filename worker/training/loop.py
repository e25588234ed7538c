"""Defines the training loop for a run's own epochs, and for the epochs of hints before them."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from worker.data.batches import Batches
from worker.training.events import TrainingEvent


class Stage(Protocol):
    """A part of a run that counts its own epochs.

    Work that takes long is a generator: it yields None after each unit of work, so that the caller can save, stop or
    renew a lease in between.
    """

    batches: Batches
    step: int
    """Number of steps that this stage has taken."""

    @property
    def epochs_done(self) -> int:
        """The number of epochs that are complete and measured."""

    def is_over(self) -> bool:
        """Whether this stage is over, so that no further epoch begins."""

    def must_stop(self) -> bool:
        """Whether somebody asked for the end, or the time is up, so that training stops after the current step."""

    def begin_epoch(self) -> Iterator[None]:
        """Prepares the model and the rows of the epoch; a resumed run calls this in the middle of an epoch too."""

    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """Trains on one batch."""

    def read_if_due(self) -> Iterator[TrainingEvent]:
        """Yields the logs of the steps since the last reading, a few times a second."""

    def end_epoch(self) -> Iterator[TrainingEvent | None]:
        """Measures the epoch."""


def train_epochs(stage: Stage) -> Iterator[TrainingEvent | None]:
    """Trains until the stage is over; yields events, and None after a unit of work that logs nothing."""
    while not stage.is_over():
        yield from stage.begin_epoch()
        # A run may be asked to end while the rows of an epoch are chosen, which then has nothing to measure.
        if stage.is_over():
            return
        # A run that resumes while an epoch is measured has no step left, and `from_step` would begin the next epoch.
        steps_left = stage.step < (stage.epochs_done + 1) * stage.batches.steps_per_epoch
        if steps_left and not stage.must_stop():
            for inputs, targets in stage.batches.from_step(stage.step):
                stage.update(inputs, targets)
                yield None
                yield from stage.read_if_due()
                if stage.must_stop():
                    break
        yield from stage.end_epoch()
