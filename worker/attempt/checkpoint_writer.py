"""Writes the files of a run in the background: the best and the last weights, and resume states."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import safetensors.torch

from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import PublishCheckpoint, PublishResume
from bakehouse.runs.record import finite
from bakehouse.runs.run import Best, Checkpoint
from worker.attempt.record_writer import RecordWriter
from worker.attempt.snapshot import Snapshot, to_files
from worker.types import Weights

BEST_EVERY_SECONDS = 1.0
# A run that crashes in its first minute should resume too, so the first states come early.
FIRST_RESUME_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
RESUME_EVERY_SECONDS = 30.0
MAX_SHARE = 0.03
"""Limit on the share of an attempt's time that is spent on resume states."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The weights of an epoch, which may become a checkpoint."""

    epoch: int
    metrics: Mapping[str, float | None]
    weights: Weights


class CheckpointWriter:
    """Writes one checkpoint or resume state at a time, and publishes each once it is safe on disk."""

    def __init__(self, plan: Plan, run_id: str, artifacts: Artifacts, record_writer: RecordWriter) -> None:
        self.plan = plan
        self.run_id = run_id
        self.artifacts = artifacts
        self.record_writer = record_writer
        self.best: Candidate | None = None
        """The newest best weights that nobody has begun to write yet."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint-writer")
        self._writing: Future[None] | None = None
        self._started_at = monotonic()
        # The clock may begin at 0, and even then the first best weights must be due at once.
        self._best_at = -BEST_EVERY_SECONDS
        self._resumes = 0
        self._resume_at = 0.0
        self._seconds_spent = 0.0

    def is_busy(self) -> bool:
        """Whether a file is being written. If the last write failed, raises its error."""
        if self._writing is None or not self._writing.done():
            return self._writing is not None
        self.wait()
        return False

    def offer(self, best: Candidate) -> None:
        """Takes the newest best weights; they replace earlier ones that still wait."""
        self.best = best

    def write_due_best(self) -> None:
        """Starts to write the best weights that wait, at most once a second."""
        if self.best is not None and monotonic() - self._best_at >= BEST_EVERY_SECONDS and not self.is_busy():
            # The weights are taken out first, so that they are written once, and newer ones may be offered meanwhile.
            best, self.best = self.best, None
            self._best_at = monotonic()
            self._start(lambda: self._write_checkpoint(best, "best"))

    def resume_is_due(self) -> bool:
        """Whether to save a resume state: after 1, 2, 4, 8, 16 s, then every 30 s, but in at most 3 % of the time."""
        elapsed = monotonic() - self._started_at
        if self._resumes < len(FIRST_RESUME_SECONDS):
            due = FIRST_RESUME_SECONDS[self._resumes]
        else:
            due = self._resume_at + RESUME_EVERY_SECONDS
        return elapsed >= due and self._seconds_spent <= MAX_SHARE * elapsed and not self.is_busy()

    def start_resume(self, take: Callable[[], Snapshot]) -> None:
        """Takes a snapshot now, and starts to write it in the background."""
        self._resumes += 1
        # This counts from the start of the attempt, like the elapsed time in `resume_is_due`.
        self._resume_at = monotonic() - self._started_at
        started = monotonic()
        snapshot = take()
        # Training stands still while the snapshot is taken, so this time counts like that of writing.
        self._seconds_spent += monotonic() - started
        best, self.best = self.best, None
        self._start(lambda: self._write_resume(snapshot, best))

    def wait(self) -> None:
        """Waits until nothing is being written. If the write failed, raises its error."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def finish(self, last: Candidate | None = None) -> None:
        """Writes the best weights that still wait, and the last weights; returns when they are on disk."""
        # From here on, weights are written in the calling thread, so the writer's thread must be idle.
        self.wait()
        if self.best is not None:
            self._write_checkpoint(self.best, "best")
            self.best = None
        # The last weights come second, so that a full disk costs them and not the best ones.
        if last is not None:
            self._write_checkpoint(last, "last")

    def close(self) -> None:
        """Waits for the current write, then ends the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _start(self, write: Callable[[], None]) -> None:
        self._writing = self._thread.submit(write)

    def _write_checkpoint(self, candidate: Candidate, role: Literal["best", "last"]) -> None:
        monitor = self.plan.recipe.evaluation.monitor
        weights = safetensors.torch.save(candidate.weights, {"bakehouse": describe(self.plan, candidate.epoch)})
        # JSON has no NaN or infinity, and the manifest refuses them.
        metrics = finite(dict(sorted(candidate.metrics.items())))
        manifest = {"epoch": candidate.epoch, "metrics": metrics, "recipe_sha256": self.plan.recipe.sha256()}
        stored = self.artifacts.write_checkpoint(self.run_id, weights, manifest)
        checkpoint = Checkpoint(
            epoch=candidate.epoch,
            roles=(role,),
            metrics=metrics,
            sha256=stored.sha256,
            bytes=stored.bytes,
            dataset_fingerprint=self.plan.card.fingerprint,
        )
        best = Best(epoch=candidate.epoch, monitor=monitor, value=metrics[monitor]) if role == "best" else None
        self.record_writer.send(PublishCheckpoint(self.record_writer.nonce, checkpoint, best))

    def _write_resume(self, snapshot: Snapshot, best: Candidate | None) -> None:
        # A run that resumes here does not repeat earlier steps, so their best weights and their log must be safe first.
        if best is not None:
            self._write_checkpoint(best, "best")
        self.record_writer.flush()
        started = monotonic()
        self.artifacts.write_resume(self.run_id, snapshot.step, to_files(snapshot))
        self._seconds_spent += monotonic() - started
        # The record names a state only once its files are safe, and older states are kept until then.
        self.record_writer.send(PublishResume(self.record_writer.nonce, snapshot.step))
        self.artifacts.prune_resume_states(self.run_id)


def describe(plan: Plan, epoch: int) -> str:
    """Returns the header of a checkpoint: one string of sorted JSON, so that equal content gives equal bytes."""
    # Name and labels are left out, so that the same weights have the same digest under any name.
    recipe = plan.recipe.without_names()
    document: JsonObject = {"classes": plan.data.main.classes, "epoch": epoch, "recipe": recipe}
    if plan.data.further:
        document["outputs"] = [
            {"target": target.label, "first": target.first, "count": target.outputs, "classes": target.classes}
            for target in plan.targets
        ]
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
