"""One attempt at a run: trains, obeys requests, writes the record and the files, ends it in one state."""

import sys
import traceback
from dataclasses import dataclass
from time import monotonic
from typing import Any

import torch

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetChanged, DatasetError
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import (
    Cancel,
    DiagnosticEntry,
    Ending,
    EpochEntry,
    Fail,
    LogEntry,
    MarkNonReproducible,
    MarkRestarted,
    Pause,
    Release,
    StepEntry,
    Succeed,
)
from bakehouse.runs.errors import IllegalTransition, OwnershipLost, StorageFull
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.runs.run import Failure, Progress, Provenance, Reason
from bakehouse.settings import Settings
from worker.attempt.checkpoint_writer import Candidate, CheckpointWriter
from worker.attempt.record_writer import RecordStore, RecordWriter
from worker.attempt.snapshot import made_by, restore, snapshot
from worker.attempt.sources import SourceLost, read_sources
from worker.attempt.watchdog import Watchdog
from worker.data.dataset import load_data
from worker.device import device_class, open_device, peak_memory, threads, versions
from worker.training.events import DiagnosticLog, EpochLog, Finished, NonFinite
from worker.training.metrics import StepLog
from worker.training.training import Training

PACKING_SECONDS = 1800.0


class AttemptInterrupted(Exception):
    """The attempt ends because somebody asked for it."""

    def __init__(self, command: Ending) -> None:
        self.command = command
        super().__init__(type(command).__name__)


@dataclass(frozen=True, slots=True)
class RunStorage:
    """Where an attempt has its data and its files."""

    settings: Settings
    artifacts: Artifacts
    folders: LocalRuns | None = None
    """Where other runs have their files, if not among `artifacts`."""

    def artifacts_of(self, run_id: str) -> Artifacts:
        """The files of a run that this one builds on."""
        return self.artifacts if self.folders is None else self.folders.artifacts(run_id)


class Attempt:
    """Owns the run for as long as it lasts. The training thread runs `run()`; a journal and a filer help."""

    def __init__(self, record_store: RecordStore, nonce: str, place: RunStorage) -> None:
        self.record_store, self.nonce, self.place = record_store, nonce, place
        self.run_id = record_store.record.id
        self.seconds_before = record_store.record.seconds
        self.logged_before = max(record_store.record.logged_step, record_store.record.progress.step)
        self.terminated = False
        """Set by a signal handler: save, give the run back, end."""
        self.is_due = True
        """Set by the journal a few times a second: something may have to be done between two units of work."""
        self.watchdog = Watchdog()
        self.record_writer = RecordWriter(record_store, nonce, on_tick=self.on_tick)
        self.started_at = monotonic()
        self.checkpoint_writer: CheckpointWriter | None = None

    def on_tick(self) -> None:
        """In the journal's thread."""
        self.is_due = True
        self.watchdog.tick()

    def run(self) -> None:
        """To the end of the attempt, which the record then says. Raises OwnershipLost."""
        self.record_writer.start()
        try:
            self.end(self.outcome())
        finally:
            self.record_writer.close()
            if self.checkpoint_writer is not None:
                self.checkpoint_writer.close()

    def outcome(self) -> Ending:
        """Trains; every way to end, as the command that says so."""
        try:
            self.set_up()
            return self.train()
        except AttemptInterrupted as obeyed:
            return obeyed.command
        except OwnershipLost:
            raise
        except NonFinite as error:
            message = f"The loss is not finite from step {error.step} on. A lower learning rate or a norm may help."
            return self.failure("non_finite", message, pointer=error.pointer)
        except StorageFull as error:
            return self.failure("storage_full", str(error), retryable=True)
        except SourceLost as error:
            return self.failure("checkpoint", str(error), pointer=error.pointer)
        except DatasetChanged as error:
            return self.failure("dataset_changed", str(error), pointer="/dataset/id")
        except (DatasetError, RecipeInvalid) as error:
            return self.failure("dataset", str(error), pointer="/dataset")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                return self.internal_failure(error)
            return self.failure("out_of_memory", "The device has too little memory.", pointer="/batch_size")
        except Exception as error:  # noqa: BLE001 - a job ends here, whatever happened
            return self.internal_failure(error)

    # Before

    def set_up(self) -> None:
        """Plan, device, data and model, and the newest state of an earlier attempt."""
        settings, recipe = self.place.settings, self.record_store.record.recipe
        catalog = Catalog(settings)
        folder = catalog.folder(recipe.dataset.id, wait_seconds=PACKING_SECONDS)
        card = read_card(folder)
        if self.record_store.record.dataset_fingerprint not in (None, card.fingerprint):
            raise DatasetChanged(recipe.dataset.id)
        sources = read_sources(recipe, catalog, self.place.artifacts_of, wait_seconds=PACKING_SECONDS)
        checkpoints = {sha256: source.plan for sha256, source in sources.items()}
        self.plan = make_plan(recipe, card, checkpoints)
        self.threads = threads(settings)
        self.device = open_device(settings)
        data, weights = load_data(self.plan, folder, self.device), {key: item.weights for key, item in sources.items()}
        self.training = Training(self.plan, data, self.device, weights)
        self.checkpoint_writer = CheckpointWriter(self.plan, self.run_id, self.place.artifacts, self.record_writer)
        self.resume()
        self.first_step = self.training.step
        self.started_at = monotonic()

    def made_by(self) -> dict[str, Any]:
        """What must be the same for the same bits."""
        return {
            "dataset_fingerprint": self.plan.card.fingerprint,
            "device": device_class(self.device),
            "threads": self.threads,
            "versions": versions(self.device),
        }

    def resume(self) -> None:
        """Goes on from the newest state that verifies; says so, and says which were damaged."""
        artifacts = self.place.artifacts
        artifacts.sweep(self.run_id)
        found = artifacts.newest_resume(self.run_id)
        for rejected in found.rejected:
            self.note("checkpoint_rejected", f"The resume state {rejected.name} is damaged: {rejected.reason}")
        lost_step = self.record_store.record.resume_step
        if found.state is None:
            if lost_step >= 0:
                self.restart(lost_step)
            return
        before, here = made_by(found.state.files), self.made_by()
        if before["dataset_fingerprint"] != here["dataset_fingerprint"]:
            raise DatasetChanged(self.plan.card.id)
        restore(self.training, found.state.files)
        lost = f" The resume state of step {lost_step} cannot be read." if found.state.step < lost_step else ""
        self.note("resumed", f"Goes on after step {self.training.step}.{lost}")
        if before != here:
            self.record_writer.send(MarkNonReproducible(self.nonce))
            self.note("inexact", "Another device, version or thread count: the bits may differ from here on.")

    def restart(self, lost_step: int) -> None:
        """Begins again at step 0, in the log and in the record."""
        self.record_writer.send(MarkRestarted(self.nonce))
        message = f"The resume state of step {lost_step} cannot be read: the run begins again at step 0."
        entry = LogEntry("restarted", message, {"step": lost_step})
        self.record_writer.put(entry, self.record_store.record.progress)

    # Training

    def train(self) -> Ending:
        """The loop: tells what happens, looks up between two units of work when it is time to."""
        for happening in self.training.run():
            self.watchdog.units += 1
            self.watchdog.is_waiting = self.is_to_compile
            if isinstance(happening, Finished):
                return self.succeed(happening)
            if happening is not None:
                self.tell(happening)
            if self.is_due:
                self.is_due = False
                self.look_up()
        raise AssertionError("a training ends with Finished")

    @property
    def is_to_compile(self) -> bool:
        """Whether the first step of a compiled model is still to come, which takes as long as it takes."""
        return self.plan.recipe.compile == "on" and self.training.step == self.first_step

    def tell(self, happening: StepLog | EpochLog | DiagnosticLog) -> None:
        """Puts numbers into the log."""
        match happening:
            case StepLog(step=step):
                numbers = {"epoch": happening.epoch, "train_loss": happening.loss, "lr": happening.lr}
                self.record_writer.put(StepEntry(step, numbers), self.progress())
            case EpochLog(epoch=epoch, step=step):
                details = {
                    "lr": happening.lr,
                    "seconds": round(happening.seconds, 6),
                    "epochs_since_best": happening.epochs_since_best,
                    "is_best": happening.is_best,
                }
                self.record_writer.put(EpochEntry(epoch, step, happening.metrics, details), self.progress())
                if happening.is_best and self.training.best_weights is not None:
                    self.files.offer(happening, self.training.best_weights)
            case DiagnosticLog(name=name, epoch=epoch, step=step):
                self.record_writer.put(DiagnosticEntry(name, epoch, step, happening.values), self.progress())

    def look_up(self) -> None:
        """Requests, signals, the clock; then files that are due."""
        if self.record_writer.error is not None:
            raise self.record_writer.error
        if self.terminated:
            raise AttemptInterrupted(self.saved(Release(self.nonce)))
        match self.record_store.record.request:
            case "cancel":
                raise AttemptInterrupted(Cancel(self.nonce))
            case "pause":
                raise AttemptInterrupted(self.saved(Pause(self.nonce)))
            case "stop":
                self.training.stop("stopped_by_user", not_before=self.logged_before)
            case None:
                if self.is_out_of_time():
                    self.training.stop("time_budget", not_before=self.logged_before)
        self.files.write_due_best()
        if self.files.resume_is_due():
            self.save()

    def is_out_of_time(self) -> bool:
        """The budget is of running seconds over all attempts."""
        budget = self.plan.recipe.time_budget_seconds
        return budget is not None and self.seconds() >= budget

    def save(self) -> None:
        """Starts to write a resume state."""
        for log in self.training.read():
            self.tell(log)
        self.files.start_resume(lambda: snapshot(self.training, self.made_by()))

    def saved(self, ending: Ending) -> Ending:
        """The ending, once a resume state is safe."""
        self.watchdog.is_waiting = True
        self.files.wait()
        self.save()
        self.files.wait()
        return ending

    # After

    def succeed(self, finished: Finished) -> Ending:
        """Files the best and the last weights, then says so."""
        self.watchdog.is_waiting = True
        self.files.finish(Candidate(finished.last, finished.last_weights))
        return Succeed(self.nonce, finished.ending, self.provenance(), finished.metrics)

    def end(self, ending: Ending) -> None:
        """Writes the ending; one that the record does not take any more is a cancel, or a pause withdrawn."""
        try:
            self.record_writer.send(ending)
        except IllegalTransition:
            is_cancelled = self.record_store.record.request == "cancel"
            self.record_writer.send(Cancel(self.nonce) if is_cancelled else Release(self.nonce))

    def failure(self, code: Reason, message: str, *, pointer: str | None = None, retryable: bool = False) -> Ending:
        """A failure that names its cause; the best so far is kept."""
        self.watchdog.is_waiting = True
        if self.checkpoint_writer is not None:
            self.keep_best(self.checkpoint_writer)
        return Fail(self.nonce, Failure(code=code, message=message, pointer=pointer, retryable=retryable))

    def keep_best(self, checkpoint_writer: CheckpointWriter) -> None:
        """The best that was not written yet. A disk that has no room now must not hide why the run failed."""
        try:
            checkpoint_writer.finish()
        except (StorageFull, OSError) as error:
            self.note("best_not_kept", f"The newest best could not be written: {error}")

    def internal_failure(self, error: Exception) -> Ending:
        """Our own mistake: the log of the worker has the traceback, the user the error's name."""
        traceback.print_exception(error, file=sys.stderr)
        message = f"The worker failed with {type(error).__name__}; its log has the details."
        return Fail(self.nonce, Failure(code="internal", message=message, retryable=True))

    def provenance(self) -> Provenance:
        """How the weights of the run came about."""
        record = self.record_store.record
        best = next((item.sha256 for item in record.checkpoints if "best" in item.roles), None)
        return Provenance(
            recipe_sha256=record.recipe_sha256,
            dataset_fingerprint=self.plan.card.fingerprint,
            weights_sha256=best,
            versions=versions(self.device),
            device=device_class(self.device),
            threads=self.threads,
            seed=record.recipe.seed,
            exact=record.exact,
            peak_memory_bytes=peak_memory(self.device),
            device_seconds=round(self.seconds(), 3),
        )

    # Numbers

    def seconds(self) -> float:
        """Of running, over all attempts."""
        return self.seconds_before + monotonic() - self.started_at

    def progress(self) -> Progress:
        """How far the run is, and how fast."""
        training, plan = self.training, self.plan
        rate = (training.step - self.first_step) / max(monotonic() - self.started_at, 1e-6)
        stopping = plan.recipe.early_stopping
        return Progress(
            epoch=training.epochs_done,
            epochs=plan.recipe.epochs,
            step=training.step,
            steps=plan.steps,
            samples_per_second=round(rate * plan.sizes.train / plan.steps_per_epoch, 1),
            eta_seconds=round((plan.steps - training.step) / rate, 1) if rate else None,
            epochs_since_best=training.stopper.epochs_since_best,
            patience=stopping.patience if isinstance(stopping, Patience) else None,
        )

    def note(self, code: str, message: str) -> None:
        """Something that a person may want to know."""
        self.record_writer.put(LogEntry(code, message), self.record_store.record.progress)

    @property
    def files(self) -> CheckpointWriter:
        """The filer, once it is set up."""
        assert self.checkpoint_writer is not None
        return self.checkpoint_writer


def is_out_of_memory(error: Exception) -> bool:
    """torch has a class for GPUs and only a sentence for CPUs."""
    is_known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_known or "DefaultCPUAllocator" in str(error)
