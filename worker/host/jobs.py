"""Runs in a worker's child process: claims the next run and carries out one attempt at it."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from rq.job import Job

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetError
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.commands import Batch, Command, NoteVerified, Succeed
from bakehouse.runs.errors import FolderNotShared, IllegalTransition, OwnershipLost, RunNotFound
from bakehouse.runs.marker import check_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.patience import OUTAGE, limit_patience
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Record
from bakehouse.runs.run import Verification, Verified
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from bakehouse.store.errors import StoreAway
from worker.attempt.attempt import Attempt
from worker.attempt.setup import RunStorage
from worker.host.attempt_output import log_output
from worker.host.owner import this_process

# The same number as EX_TEMPFAIL in sysexits.h; another process resumes the run.
EXIT_RUN_GIVEN_UP = 75
# A process that was asked to end waits for Redis only this long.
ENDING_PATIENCE_SECONDS = 2.0


class RedisRecordStore:
    """The record of one run in Redis, for an attempt to change."""

    def __init__(self, store: Store, record: Record) -> None:
        self.store = store
        self.record = record

    def commit(self, command: Command) -> None:
        """Carries out a command. Afterwards `record` is the newest record, even if the command was refused."""
        for single in command.commands if isinstance(command, Batch) else (command,):
            if isinstance(single, Succeed) and single.verification is not None:
                # Noted first: if this process dies in between, the next attempt notes the same verdict again.
                self.note_verified(single.verification)
        try:
            self.record = self.store.commit(self.record, command)
        except IllegalTransition:
            self.record = self.store.record(self.record.id)
            raise

    def note_verified(self, verification: Verification) -> None:
        """Writes the verdict into the record of the run that was verified, unless it was deleted."""
        verdict = verification.model_dump(include={"verdict", "tensor", "message"})
        with suppress(RunNotFound):
            self.store.command(verification.run, NoteVerified(Verified(run=self.record.id, **verdict), actor="worker"))


def train_next(
    settings: Settings,
    store: Store,
    wake_queue: WakeQueue,
    memory_bytes: int,
    note_claim: Callable[[str], None],
    job: Job,
) -> None:
    """Claims the next run that fits the device's memory and trains it; returns at once if there is none.

    The arguments before the job are those of the worker that has forked this process: to read its settings again, and
    to connect and read Redis's clock again, would take longer than a step.
    """
    attempt: Attempt | None = None
    is_terminated = False

    def terminate(*_: object) -> None:
        nonlocal is_terminated
        is_terminated = True
        limit_patience(job.connection, ENDING_PATIENCE_SECONDS)
        if attempt is not None:
            attempt.terminate()

    signal.signal(signal.SIGTERM, terminate)
    # The worker blocks SIGTERM around the fork, so that none is lost before this handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        check_folder(settings, store)
    except (FolderNotShared, OSError) as error:
        # No run is claimed. The supervisor ends this worker, or wakes it again if the folder can be read again.
        print(f"This worker takes no run now: {error}", file=sys.stderr, flush=True)
        return
    owner = this_process()
    record = store.claim(owner, fits=functools.partial(fits, settings, memory_bytes))
    if record is None:
        return
    note_claim(record.id)
    record_store = RedisRecordStore(store, record)
    artifacts = open_artifacts(settings)
    attempt = Attempt(record_store, owner.nonce, RunStorage(settings, artifacts), report=store.add_measurement)
    # A SIGTERM that arrived before the attempt existed is passed on now.
    if is_terminated:
        attempt.terminate()
    try:
        with log_output(artifacts, record):
            attempt.run()
    except OwnershipLost as error:
        # The run has another owner: this process exits without changing anything, not even RQ's own data.
        print(error, file=sys.stderr, flush=True)
        os._exit(EXIT_RUN_GIVEN_UP)
    except OUTAGE as error:
        # RQ would wait for Redis without limit.
        print(f"This process was asked to end while Redis cannot be used: {error}", file=sys.stderr, flush=True)
        os._exit(EXIT_RUN_GIVEN_UP)
    artifacts.clean_up_after(record_store.record)
    wake_for_next_run(store, wake_queue)


def wake_for_next_run(store: Store, wake_queue: WakeQueue) -> None:
    """Wakes a worker if a run could be claimed and no wake-up is pending: many runs that are submitted at once share
    wake-ups."""
    if store.ready_count() and not wake_queue.pending():
        wake_queue.wake()


def redis_url_of(settings: Settings) -> str:
    """Returns the address of Redis; exits with a message if the settings name none."""
    if settings.redis_url is None:
        raise SystemExit("BAKEHOUSE_REDIS_URL is not set: a worker needs the address of its Redis")
    return settings.redis_url


def fits(settings: Settings, memory_bytes: int, record: Record) -> bool:
    """Returns whether this worker has enough memory for a run.

    Also returns True for a run that cannot be planned or whose data set has changed, so that its attempt can fail.
    """
    try:
        card = Catalog(settings).card(record.recipe.dataset.id)
        plan = make_plan(record.recipe, card)
    except (DatasetError, RecipeInvalid):
        return True
    except StoreAway:
        # It waits until its data can be read.
        return False
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one run, the runs behind it must not wait
        print(f"The run {record.id} cannot be planned, so its attempt fails: {error!r}", file=sys.stderr, flush=True)
        return True
    if record.dataset_fingerprint not in (None, card.fingerprint):
        return True
    return plan.estimate.memory_bytes <= memory_bytes
