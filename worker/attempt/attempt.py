"""Carries out one attempt at a run: sets up, trains, and commits exactly one final command."""

from collections.abc import Callable
from contextlib import ExitStack

from bakehouse.runs.commands import Cancel, Ending, Fail, Release
from bakehouse.runs.errors import IllegalTransition, OwnershipLost, StorageUnavailable
from bakehouse.runs.measurements import Measurement
from bakehouse.runs.patience import OUTAGE
from bakehouse.store.errors import StoreAway
from worker.attempt.failures import failure_of
from worker.attempt.record_writer import RecordStore, RecordWriter
from worker.attempt.setup import RunStorage, set_up
from worker.attempt.trainer import Signals, Trainer
from worker.attempt.verdicts import verdicts_of
from worker.attempt.watchdog import Watchdog
from worker.training.events import NonFinite

# An attempt that was asked to end has half a minute, and a request to a store that is away takes a while to fail.
ENDING_SECONDS = 5.0


class Attempt:
    """An attempt at a run. `run()` trains in the calling thread; other threads write the record and the files."""

    def __init__(
        self,
        record_store: RecordStore,
        nonce: str,
        storage: RunStorage,
        report: Callable[[Measurement], None] = lambda measurement: None,
    ) -> None:
        self.record_store = record_store
        self.nonce = nonce
        self.storage = storage
        self.signals = Signals()
        self.watchdog = Watchdog()
        self.record_writer = RecordWriter(record_store, nonce, on_tick=self.on_tick, report=report)
        storage.artifacts.be_patient(self.record_writer.note)

    def terminate(self) -> None:
        """Asks the attempt to save its state, release the run and end. A signal handler may call this."""
        self.signals.is_terminated = True
        self.storage.artifacts.hurry(ENDING_SECONDS)

    def on_tick(self) -> None:
        """Wakes the trainer and checks the watchdog; the record writer's thread calls this a few times a second."""
        self.signals.are_due = True
        self.watchdog.tick()

    def run(self) -> None:
        """Carries out the attempt and commits the command that ends it. Raises OwnershipLost."""
        # The lease must be renewed during set-up too, which may wait half an hour for a data set that is being packed.
        self.record_writer.start()
        with ExitStack() as after_record:
            try:
                self.end(self.outcome(after_record))
            finally:
                self.record_writer.close()

    def outcome(self, after_record: ExitStack) -> Ending:
        """Trains, and returns the command that ends the attempt. An error becomes a Fail command, unless nothing can
        be written any more."""
        try:
            setup = set_up(self.record_writer, self.storage)
        except (OwnershipLost, *OUTAGE):
            raise
        except Exception as error:  # noqa: BLE001 - a job ends here, whatever happened
            # The run is as good as before. The first is of a data set; the other has waited until it was asked to end.
            if isinstance(error, StoreAway) or (isinstance(error, StorageUnavailable) and self.signals.is_terminated):
                self.record_writer.note("store_away", f"The run waits, because the store cannot be used: {error}")
                return Release(self.nonce)
            return Fail(self.nonce, failure_of(error, self.storage.settings.home))
        # A file that is still being written must not delay the end of the run, so the record is closed first.
        after_record.callback(setup.checkpoint_writer.close)
        # Neither must a store that is away.
        after_record.callback(self.storage.artifacts.hurry, 0.0)
        trainer = Trainer(setup, self.record_writer, self.watchdog, self.signals)
        try:
            return trainer.train()
        except (OwnershipLost, *OUTAGE):
            raise
        except Exception as error:  # noqa: BLE001 - a job ends here, whatever happened
            failure = failure_of(error, self.storage.settings.home)
            if failure.code != "internal":
                trainer.keep_best()
            verdicts = verdicts_of(setup.training, error) if isinstance(error, NonFinite) else ()
            return Fail(self.nonce, failure, verdicts=verdicts)

    def end(self, ending: Ending) -> None:
        """Commits the final command; if it has become illegal, cancels the run if that was requested, else releases
        it."""
        try:
            self.record_writer.send(ending)
        # A user may have made or withdrawn a request since the trainer looked at the record.
        except IllegalTransition:
            is_cancelled = self.record_store.record.request == "cancel"
            self.record_writer.send(Cancel(self.nonce) if is_cancelled else Release(self.nonce))
