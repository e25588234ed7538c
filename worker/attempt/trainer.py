"""Trains a run and keeps its record: logs events, handles requests, and writes checkpoints and resume states."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import assert_never

from bakehouse.recipe.early_stopping import Patience
from bakehouse.runs.commands import Cancel, DiagnosticEntry, Ending, EpochEntry, Pause, Release, StepEntry, Succeed
from bakehouse.runs.errors import StorageFull, StorageUnavailable
from bakehouse.runs.measurements import work_of
from bakehouse.runs.record import finite
from bakehouse.runs.run import Expected, Progress, Provenance, Verification
from worker.attempt.checkpoint_writer import Candidate
from worker.attempt.record_writer import RecordWriter
from worker.attempt.setup import AttemptSetup
from worker.attempt.snapshot import snapshot
from worker.attempt.stopwatch import Stopwatch
from worker.attempt.verdicts import verdicts_of
from worker.attempt.verification import HalfWayKill, Repeated, conclude
from worker.attempt.watchdog import Watchdog
from worker.device import nondeterministic_operations, peak_memory
from worker.training.events import DiagnosticLog, EpochLog, Finished, TrainingEvent
from worker.training.metrics import StepLog


@dataclass(slots=True)
class Signals:
    """Flags that other threads and signal handlers set for the training thread."""

    is_terminated: bool = False
    """Tells the trainer to save a resume state, release the run, and end."""
    are_due: bool = True
    """Tells the trainer to handle requests and write due files after this unit of work; set a few times a second."""


class Trainer:
    """Trains until the attempt ends, in the thread that calls `train()`."""

    def __init__(self, setup: AttemptSetup, record_writer: RecordWriter, watchdog: Watchdog, signals: Signals) -> None:
        self.setup = setup
        self.training = setup.training
        self.checkpoint_writer = setup.checkpoint_writer
        self.record_store = record_writer.record_store
        self.record_writer = record_writer
        self.nonce = record_writer.nonce
        self.watchdog = watchdog
        self.signals = signals
        self.first_step = setup.training.step
        self.started_at = monotonic()
        device = setup.environment["device"]
        self.stopwatch = Stopwatch(self.record_store.record.id, device, work_of(setup.plan), record_writer.seconds())
        self.reported_operations: set[str] = set()
        self.half_way_kill = HalfWayKill(self.record_store.record)
        self.stop_as_verified()

    def train(self) -> Ending:
        """Trains to the end of the run, or until the attempt must end; returns the command that ends the attempt."""
        with nondeterministic_operations() as operations:
            for event in self.training.run():
                self.watchdog.units += 1
                # The model is compiled at its first step, which may take arbitrarily long.
                self.watchdog.is_waiting = self.is_next_step_compiled()
                if operations != self.reported_operations:
                    self.report_nondeterminism(operations)
                ending = self.handle(event)
                if ending is not None:
                    return ending
        raise AssertionError("a training ends with Finished")

    def stop_as_verified(self) -> None:
        """Makes the repetition of a run that a user, a search or its time budget ended end after the same step."""
        verification = self.record_store.record.verification
        match verification:
            case Verification(
                expected=Expected(reason="stopped_by_user" | "pruned" | "time_budget" as reason, step=step)
            ):
                self.training.stop(reason, not_before=step)
                final = self.training.final
                final.if_stopped = [name for name in final.names if f"{name}_loss" in verification.expected.metrics]
            case _:
                pass

    def handle(self, event: TrainingEvent | None) -> Ending | None:
        """Logs an event, and then does what is due; returns a command if the attempt must end now."""
        match event:
            case Finished():
                return self.succeed(event)
            case StepLog() | EpochLog() | DiagnosticLog():
                self.log(event)
            case None:
                pass
            case _:
                assert_never(event)
        if self.half_way_kill.is_pending:
            self.kill_half_way()
        if self.signals.are_due:
            # The flag is cleared before the work, so that a tick during the work is not lost.
            self.signals.are_due = False
            ending = self.handle_requests()
            if ending is not None:
                return ending
            self.write_due_files()
        return None

    def report_nondeterminism(self, operations: set[str]) -> None:
        """Records that the results of the run depend on the order in which a device adds numbers."""
        self.reported_operations = set(operations)
        names = ", ".join(sorted(operations))
        self.record_writer.mark_inexact(
            f"On this device {names} has no deterministic form: another run of the same recipe may give other bits."
        )

    def kill_half_way(self) -> None:
        """Saves a resume state, and later kills this process; the next attempt resumes and repeats some steps."""
        if self.half_way_kill.must_save(self.training.step):
            self.half_way_kill.is_saved = True
            self.checkpoint_writer.wait()
            self.save()
        elif self.half_way_kill.must_kill(self.training.step):
            # The state must be published, or the next attempt would start from the beginning.
            self.checkpoint_writer.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    def is_next_step_compiled(self) -> bool:
        return self.setup.plan.recipe.compile == "on" and self.training.step == self.first_step

    def log(self, event: StepLog | EpochLog | DiagnosticLog) -> None:
        """Writes an event to the run's log, and offers the weights of a new best epoch to the checkpoint writer."""
        match event:
            case StepLog(step=step):
                numbers = {"epoch": event.epoch, "train_loss": event.loss, "lr": event.lr}
                self.record_writer.put(StepEntry(step, numbers), self.progress())
            case EpochLog(epoch=epoch, step=step):
                details = {
                    "lr": event.lr,
                    "seconds": round(event.seconds, 6),
                    "epochs_since_best": event.epochs_since_best,
                    "is_best": event.is_best,
                }
                self.record_writer.put(EpochEntry(epoch, step, event.metrics, details), self.progress())
                self.measure_epoch()
                if event.is_best and self.training.best_weights is not None:
                    self.checkpoint_writer.offer(Candidate(epoch, event.metrics, self.training.best_weights))
            case DiagnosticLog(name=name, epoch=epoch, step=step):
                self.record_writer.put(DiagnosticEntry(name, epoch, step, event.values), self.progress())
            case _:
                assert_never(event)

    def measure_epoch(self) -> None:
        """Notes the end of an epoch, and now and then reports how long epochs take."""
        now = self.record_writer.seconds()
        self.stopwatch.note_epoch(now)
        if self.stopwatch.is_due(now):
            self.record_writer.measure(self.stopwatch.measurement(now))

    def handle_requests(self) -> Ending | None:
        """Handles signals, the user's request and the time budget; returns a command if the attempt must end now."""
        if self.record_writer.error is not None:
            raise self.record_writer.error
        if self.signals.is_terminated:
            return self.with_resume_state(Release(self.nonce))
        match self.record_store.record.request:
            case "cancel":
                # A cancelled run is never resumed, so it needs no resume state.
                return Cancel(self.nonce)
            case "pause":
                return self.with_resume_state(Pause(self.nonce))
            case "stop":
                # A resumed run repeats steps that are logged already, and must not end among them.
                self.training.stop("stopped_by_user", not_before=self.setup.logged_step)
            case "prune":
                # A run that has trained all its epochs has come too far to end early.
                if self.training.epochs_done < self.setup.plan.recipe.epochs:
                    self.training.stop("pruned", not_before=self.setup.logged_step)
            case None:
                if self.is_out_of_time():
                    self.training.stop("time_budget", not_before=self.setup.logged_step)
        return None

    def is_out_of_time(self) -> bool:
        # A verification ends after the same step as the run that it repeats, however long that takes.
        is_verification = self.record_store.record.verification is not None
        budget = None if is_verification else self.setup.plan.recipe.time_budget_seconds
        return budget is not None and self.seconds() >= budget

    def write_due_files(self) -> None:
        """Starts to write the newest best weights or a resume state if they are due."""
        self.checkpoint_writer.write_due_best()
        if self.checkpoint_writer.resume_is_due():
            self.save()

    def save(self) -> None:
        """Starts to write a resume state."""
        # Losses that have not been read are not part of the state, so they must be logged first.
        for event in self.training.read():
            self.log(event)
        self.checkpoint_writer.start_resume(lambda: snapshot(self.training, self.setup.environment))

    def with_resume_state(self, ending: Ending) -> Ending:
        """Writes a resume state, and returns the ending once it is safe on disk."""
        self.watchdog.is_waiting = True
        try:
            # A write that still runs must end first, because `save` would replace it and lose its error.
            self.checkpoint_writer.wait()
            self.save()
            self.checkpoint_writer.wait()
        except StorageUnavailable as error:
            if not self.signals.is_terminated:
                raise
            # The run must not fail because its process had to end while the store was away.
            self.record_writer.note("state_not_saved", f"The newest resume state could not be stored: {error}")
        return ending

    def succeed(self, finished: Finished) -> Ending:
        """Writes the best and the last weights; returns the command that ends the run."""
        self.watchdog.is_waiting = True
        if finished.left_out:
            self.note_left_out(finished)
        last = Candidate(finished.last.epoch, finished.last.metrics, finished.last_weights)
        written = self.checkpoint_writer.finish(last)
        recorded = {role: item.sha256 for item in self.record_store.record.checkpoints for role in item.roles}
        weights: dict[str, str] = dict(recorded) | dict(written)
        verification = self.concluded_verification(finished, weights)
        verdicts = verdicts_of(self.training, finished)
        # A resumed run may have had no epoch left to train.
        if self.stopwatch.epochs:
            stopped_after = self.training.epochs_done if finished.ending == "early_stopped" else None
            now = self.record_writer.seconds()
            self.record_writer.measure(self.stopwatch.measurement(now, stopped_after=stopped_after))
        return Succeed(self.nonce, finished.ending, self.provenance(weights), finished.metrics, verification, verdicts)

    def note_left_out(self, finished: Finished) -> None:
        """Logs the measurements on the test split that the run did not make."""
        names = ", ".join(finished.left_out)
        cause = "its time budget was used up" if finished.ending == "time_budget" else "it was stopped"
        message = f"The run ended before these measurements on the test split were complete, because {cause}: {names}."
        self.record_writer.note("not_measured", message, {"measurements": names})

    def concluded_verification(self, finished: Finished, weights: Mapping[str, str]) -> Verification | None:
        """Returns the verification with its verdict, if this run verifies another one. `weights` are digests by
        role."""
        record = self.record_store.record
        if record.verification is None:
            return None
        if record.request == "stop":
            message = "The repeated run was stopped before its end, so that nothing could be compared."
            return record.verification.model_copy(update={"message": message})
        repeated = Repeated(
            step=self.training.step,
            metrics=finite({**finished.last.metrics, **finished.metrics}),
            weights=dict(weights),
            environment=self.setup.environment,
        )
        return conclude(record.verification, repeated, self.checkpoint_writer.artifacts, record.id)

    def keep_best(self) -> None:
        """Writes the newest best weights if they are not written yet. An error of the disk must not hide why the run
        failed."""
        self.watchdog.is_waiting = True
        try:
            self.checkpoint_writer.finish()
        except (StorageFull, StorageUnavailable) as error:
            self.record_writer.note("best_not_kept", f"The newest best weights could not be written: {error}")

    def provenance(self, weights: Mapping[str, str]) -> Provenance:
        """Returns the facts that produced the weights of the run: recipe, seed, data, device and versions. `weights`
        are digests by role."""
        record = self.record_store.record
        return Provenance(
            recipe_sha256=record.recipe_sha256,
            weights_sha256=weights.get("best"),
            seed=record.recipe.seed,
            exact=record.exact,
            peak_memory_bytes=peak_memory(self.setup.device),
            device_seconds=round(self.seconds(), 3),
            **self.setup.environment,
        )

    def seconds(self) -> float:
        """Returns the time that the run has been running, over all attempts."""
        return self.setup.seconds_before + self.record_writer.seconds()

    def progress(self) -> Progress:
        """Returns how far the run is, and how fast it trains."""
        training = self.training
        plan = self.setup.plan
        # Only this attempt's steps count, because its clock does not cover earlier attempts.
        rate = (training.step - self.first_step) / max(monotonic() - self.started_at, 1e-6)
        stopping = plan.recipe.early_stopping
        return Progress(
            epoch=training.epochs_done,
            epochs=plan.recipe.epochs,
            step=training.step,
            steps=plan.steps,
            # The last batch of an epoch may be smaller, so the rows per step are an average over the epoch.
            samples_per_second=round(rate * plan.epoch_rows / plan.steps_per_epoch, 1),
            eta_seconds=round((plan.steps - training.step) / rate, 1) if rate else None,
            epochs_since_best=training.stopper.epochs_since_best,
            patience=stopping.patience if isinstance(stopping, Patience) else None,
        )
