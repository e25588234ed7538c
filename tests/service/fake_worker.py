"""A worker without torch: each method writes what a worker would write at that moment."""

from dataclasses import dataclass

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import EpochEntry, LogEvents, PublishCheckpoint, StepEntry, Succeed
from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint, Provenance
from bakehouse.runs.store import Store

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 3}
PROVENANCE = Provenance(
    recipe_sha256="0" * 64, dataset_fingerprint="sha256:0", weights_sha256=None, versions={"torch": "2"},
    device="cpu", threads=1, seed=0, exact=True, peak_memory_bytes=1, device_seconds=0.5,
)  # fmt: skip


@dataclass
class FakeWorker:
    """Writes records, events and checkpoints of runs."""

    store: Store
    artifacts: Artifacts

    def claim(self, run_id: str) -> None:
        """Claims this run, whichever else waits."""
        owner = Owner(nonce=run_id, host="here", boot_id="boot", pid=7, start_time=1)
        claimed = self.store.claim(owner, fits=lambda record: record.id == run_id)
        assert claimed is not None

    def epoch(self, run_id: str, epoch: int, **metrics: float) -> None:
        entry = EpochEntry(epoch, 10 * epoch, metrics or {"validation_loss": 1 / epoch}, {"learning_rate": 0.1})
        self.store.command(run_id, LogEvents(run_id, (entry,)))

    def steps(self, run_id: str, first: int, last: int) -> None:
        entries = tuple(StepEntry(step, {"train_loss": 1 / step}) for step in range(first, last + 1))
        self.store.command(run_id, LogEvents(run_id, entries))

    def checkpoint(self, run_id: str, epoch: int, weights: bytes) -> Checkpoint:
        stored = self.artifacts.write_checkpoint(run_id, weights, {})
        new = Checkpoint(epoch=epoch, roles=("best",), metrics={}, sha256=stored.sha256, bytes=stored.bytes)
        best = Best(epoch=epoch, monitor="validation_loss", value=0.5)
        self.store.command(run_id, PublishCheckpoint(run_id, new, best))
        return new

    def succeed(self, run_id: str) -> None:
        self.store.command(run_id, Succeed(run_id, "epochs_done", PROVENANCE))

    def train(self, run_id: str, epochs: int = 3) -> None:
        """A whole run that succeeds."""
        self.claim(run_id)
        for epoch in range(1, epochs + 1):
            self.epoch(run_id, epoch)
        self.succeed(run_id)
