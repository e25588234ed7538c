"""A worker without torch: each method writes what a real worker would write at that moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import (
    Cancel,
    EpochEntry,
    Fail,
    LogEvents,
    PublishCheckpoint,
    RequestAction,
    StepEntry,
    Succeed,
)
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint, Failure, Progress
from bakehouse.runs.store import Store
from tests.runs.examples import PROVENANCE, an_owner

STEPS_PER_EPOCH = 10


def owner_of(run_id: str) -> Owner:
    """The fake worker owns each run under the run's own id, so that it can own several at once."""
    return an_owner(run_id)


@dataclass
class FakeWorker:
    """Writes records, events and checkpoints of runs."""

    store: Store
    artifacts: Artifacts
    losses: dict[str, dict[int, float]] = field(default_factory=dict)
    """Validation losses by run and epoch."""

    def claim(self, run_id: str) -> None:
        """Claims this run, whichever others wait."""
        claimed = self.store.claim(owner_of(run_id), fits=lambda record: record.id == run_id)
        assert claimed is not None

    def log_steps(self, run_id: str, first: int, last: int) -> None:
        entries = tuple(StepEntry(step, {"train_loss": 1 / step}) for step in range(first, last + 1))
        self.store.command(run_id, LogEvents(run_id, entries))

    def log_epoch(self, run_id: str, epoch: int, *, seconds: float | None = None, **metrics: float) -> None:
        metrics = metrics or {"validation_loss": 1 / epoch}
        self.losses.setdefault(run_id, {})[epoch] = metrics["validation_loss"]
        epochs_since_best = epoch - self.best_epoch(run_id)
        details = {"lr": 0.1, "is_best": epochs_since_best == 0, "epochs_since_best": epochs_since_best}
        if seconds is not None:
            details["seconds"] = seconds
        step = epoch * STEPS_PER_EPOCH
        epochs = self.store.record(run_id).progress.epochs
        progress = Progress(epoch=epoch, epochs=epochs, step=step, steps=epochs * STEPS_PER_EPOCH)
        self.store.command(run_id, LogEvents(run_id, (EpochEntry(epoch, step, metrics, details),), progress))

    def best_epoch(self, run_id: str) -> int:
        losses = self.losses[run_id]
        return min(losses, key=losses.__getitem__)

    def log_losses(self, run_id: str, losses: Sequence[float]) -> None:
        """Logs an epoch for each validation loss; each takes a second."""
        for epoch, loss in enumerate(losses, start=len(self.losses.get(run_id, {})) + 1):
            metrics = {"train_loss": loss / 2, "validation_loss": loss, "validation_accuracy": 1 - loss / 10}
            self.log_epoch(run_id, epoch, seconds=1.0, **metrics)

    def log_many(self, run_id: str, losses: Sequence[float]) -> None:
        """Logs the first epochs of a run, one for each validation loss, with one command; each takes a second."""
        self.losses[run_id] = dict(enumerate(losses, start=1))
        entries = tuple(
            EpochEntry(epoch, epoch * STEPS_PER_EPOCH, {"validation_loss": loss}, {"lr": 0.1, "seconds": 1.0})
            for epoch, loss in self.losses[run_id].items()
        )
        progress = self.store.record(run_id).progress
        done = {"epoch": len(losses), "step": len(losses) * STEPS_PER_EPOCH, "steps": progress.epochs * STEPS_PER_EPOCH}
        waited = {"epochs_since_best": len(losses) - self.best_epoch(run_id)}
        self.store.command(run_id, LogEvents(run_id, entries, progress.model_copy(update={**done, **waited})))

    def save_best(self, run_id: str, epoch: int, weights: bytes, *, loss: float = 0.5, **others: float) -> Checkpoint:
        """Publishes the weights of an epoch as the best so far; `others` are its metrics besides the loss."""
        stored = self.artifacts.write_checkpoint(run_id, weights, {})
        metrics: dict[str, float | None] = {"validation_loss": loss, **others}
        checkpoint = Checkpoint(epoch=epoch, roles=("best",), metrics=metrics, sha256=stored.sha256, bytes=stored.bytes)
        best = Best(epoch=epoch, monitor="validation_loss", value=loss, metrics=metrics)
        self.store.command(run_id, PublishCheckpoint(run_id, checkpoint, best))
        return checkpoint

    def succeed(self, run_id: str, *, dataset_fingerprint: str | None = None) -> None:
        """Ends the run; its data set is the one that it was submitted with, unless another fingerprint is given."""
        trained_on = dataset_fingerprint or self.store.record(run_id).dataset_fingerprint
        provenance = PROVENANCE.model_copy(update={"dataset_fingerprint": trained_on})
        verification = self.store.record(run_id).verification
        if verification is not None:
            verification = verification.model_copy(update={"verdict": "identical"})
        self.store.command(run_id, Succeed(run_id, "epochs_done", provenance, verification=verification))

    def fail(self, run_id: str) -> None:
        failure = Failure(
            code="non_finite", message="The loss is not finite.", pointer="/optimizer/lr", retryable=False
        )
        self.store.command(run_id, Fail(run_id, failure))

    def cancel(self, run_id: str) -> None:
        """Requests the cancellation, as a user does, and obeys."""
        self.store.command(run_id, RequestAction("cancel"))
        self.store.command(run_id, Cancel(run_id))

    def train(self, run_id: str, losses: Sequence[float] = (1, 1 / 2, 1 / 3), *, weights: bytes = b"weights") -> None:
        """Claims the run, logs an epoch for each validation loss, saves the best weights and succeeds."""
        self.claim(run_id)
        self.log_losses(run_id, losses)
        self.save_best(run_id, self.best_epoch(run_id), weights, loss=min(losses))
        self.succeed(run_id)
