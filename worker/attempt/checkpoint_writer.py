"""Writes the files of a run in the background: the best and the last weights, and resume states."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import safetensors.torch

from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.runs.artifacts import RESERVE_BYTES, Artifacts
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

Roles = tuple[Literal["best", "last"], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """The weights of an epoch, which may become a checkpoint."""

    epoch: int
    metrics: Mapping[str, float | None]
    weights: Weights


class CheckpointWriter:
    """Writes checkpoints and resume states, and publishes each once it is safe on disk. While the run trains, it writes
    one at a time."""

    def __init__(self, plan: Plan, run_id: str, artifacts: Artifacts, record_writer: RecordWriter) -> None:
        self.plan = plan
        self.run_id = run_id
        self.artifacts = artifacts
        self.record_writer = record_writer
        self.best: Candidate | None = None
        """The newest best weights that nobody has begun to write yet."""
        # The best and the last weights are written at the same time, unless the last ones could take the space of the
        # best: the space that must stay free has room for two small files.
        is_small = 8 * plan.estimate.parameters < RESERVE_BYTES
        self._threads = ThreadPoolExecutor(2 if is_small else 1, thread_name_prefix="checkpoint-writer")
        # If this fails, the first write fails as well.
        self._threads.submit(artifacts.prepare, run_id)
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
            self._start(lambda: self._write_best(best))

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
        # Training pauses while the snapshot is taken, so this time counts like that of writing.
        self._seconds_spent += monotonic() - started
        best, self.best = self.best, None
        self._start(lambda: self._write_resume(snapshot, best))

    def wait(self) -> None:
        """Waits until nothing is being written. If the write failed, raises its error."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def finish(self, last: Candidate | None = None) -> dict[str, str]:
        """Writes the best weights that still wait, and the last weights; returns their digests by role. They are
        published together with the command that ends the attempt."""
        self.wait()
        best, self.best = self.best, None
        writes: list[tuple[Candidate, Roles]] = []
        if best is not None and last is not None and best.epoch == last.epoch:
            writes = [(best, ("best", "last"))]
        else:
            writes += [(best, ("best",))] if best is not None else []
            writes += [(last, ("last",))] if last is not None else []
        writing = [self._threads.submit(self._store, candidate, roles) for candidate, roles in writes]
        wait(writing)
        # If one write failed, the other weights are published all the same.
        for stored in writing:
            if stored.exception() is None:
                self.record_writer.post(stored.result())
        checkpoints = [stored.result().checkpoint for stored in writing]
        return {role: checkpoint.sha256 for checkpoint in checkpoints for role in checkpoint.roles}

    def close(self) -> None:
        """Waits for the current write, then ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _start(self, write: Callable[[], None]) -> None:
        self._writing = self._threads.submit(write)

    def _write_best(self, best: Candidate) -> None:
        self.record_writer.send(self._store(best, ("best",)))

    def _store(self, candidate: Candidate, roles: Roles) -> PublishCheckpoint:
        """Writes a checkpoint to disk; returns the command that publishes it."""
        monitor = self.plan.recipe.evaluation.monitor
        weights = safetensors.torch.save(candidate.weights, {"bakehouse": describe(self.plan, candidate.epoch)})
        # JSON has no NaN or infinity, and the manifest refuses them.
        metrics = finite(dict(sorted(candidate.metrics.items())))
        manifest = {"epoch": candidate.epoch, "metrics": metrics, "recipe_sha256": self.plan.recipe.sha256()}
        stored = self.artifacts.write_checkpoint(self.run_id, weights, manifest)
        checkpoint = Checkpoint(
            epoch=candidate.epoch,
            roles=roles,
            metrics=metrics,
            sha256=stored.sha256,
            bytes=stored.bytes,
            dataset_fingerprint=self.plan.card.fingerprint,
        )
        best = None
        if "best" in roles:
            best = Best(epoch=candidate.epoch, monitor=monitor, value=metrics[monitor], metrics=metrics)
        return PublishCheckpoint(self.record_writer.nonce, checkpoint, best)

    def _write_resume(self, snapshot: Snapshot, best: Candidate | None) -> None:
        # A run that resumes here does not repeat earlier steps, so their best weights and their log must be safe first.
        if best is not None:
            self._write_best(best)
        self.record_writer.flush()
        started = monotonic() - self.artifacts.store_seconds
        self.artifacts.write_resume(self.run_id, snapshot.step, to_files(snapshot))
        # A network takes nothing from the training.
        self._seconds_spent += monotonic() - self.artifacts.store_seconds - started
        # The record names a state only once its files are safe, and older states are kept until then.
        self.record_writer.send(PublishResume(self.record_writer.nonce, snapshot.step, snapshot.epoch, snapshot.units))
        self.artifacts.prune_resume_states(self.run_id)


def describe(plan: Plan, epoch: int) -> str:
    """Returns the header of a checkpoint: one string of sorted JSON, so that equal content gives equal bytes."""
    # Name and labels are left out, so that the same weights have the same digest under any name.
    recipe = plan.recipe.without_names()
    document: JsonObject = {
        "classes": plan.data.main.classes,
        "epoch": epoch,
        "inputs": describe_inputs(plan),
        "recipe": recipe,
    }
    if plan.data.further:
        document["outputs"] = [
            {"target": target.label, "first": target.first, "count": target.outputs, "classes": target.classes}
            for target in plan.targets
        ]
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def describe_inputs(plan: Plan) -> JsonObject:
    """Returns what the model's inputs are: their shape, the columns in order, or how pictures are prepared."""
    inputs: JsonObject = {"kind": plan.card.kind, "shape": plan.data.shape}
    if plan.input_columns is not None:
        inputs["columns"] = plan.input_columns
    if any(each.describe() != {"name": each.name, "kind": "number"} for each in plan.data.inputs):
        features = plan.input_columns if plan.data.encoding is None else plan.data.encoding.features
        inputs["encoding"] = {"columns": [each.describe() for each in plan.data.inputs], "features": features}
    if plan.card.format == "pictures":
        channels, height, width = plan.data.shape
        # These are Pillow's words. Pictures are turned upright first; their bytes are not scaled.
        mode = "L" if channels == 1 else "RGB"
        inputs["pictures"] = {"mode": mode, "width": width, "height": height, "resample": "bilinear"}
    return inputs
