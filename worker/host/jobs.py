"""What a ring does: claims the next run and carries out one attempt at it, in a forked child."""

import functools
import os
import signal
import sys
from typing import Any

from rq import get_current_job

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetError
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Command
from bakehouse.runs.errors import FolderNotShared, IllegalTransition, OwnershipLost
from bakehouse.runs.marker import check_folder
from bakehouse.runs.record import Record
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.attempt.attempt import Attempt, RunStorage
from worker.device import memory_limit
from worker.host.owner import this_process

FENCED = 75


class StoreLedger:
    """The record in Redis."""

    def __init__(self, store: Store, record: Record) -> None:
        self.store, self.record = store, record

    def commit(self, command: Command) -> None:
        """Carries out a command; what it answers is the record as it is now."""
        try:
            self.record = self.store.commit(self.record, command)
        except IllegalTransition:
            self.record = self.store.record(self.record.id)
            raise


def train_next(memory_bytes: int | None = None) -> None:
    """Takes only what fits the device's memory. An extra ring finds nothing and ends in milliseconds."""
    attempt: Attempt | None = None
    is_terminated = False

    def terminate(*_: Any) -> None:
        nonlocal is_terminated
        is_terminated = True
        if attempt is not None:
            attempt.terminated = True

    signal.signal(signal.SIGTERM, terminate)
    # The worker's parent process blocks it around the fork, so that none is lost before this handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    settings = Settings()
    store = open_store(settings)
    try:
        check_folder(settings, store)
    except FolderNotShared as error:
        print(error, file=sys.stderr, flush=True)
        return  # its supervisor ends it
    owner = this_process()
    record = store.claim(owner, fits=functools.partial(fits, settings, memory_bytes))
    if record is None:
        return
    name_the_ring(record.id)
    attempt = Attempt(StoreLedger(store, record), owner.nonce, RunStorage(settings, Artifacts(settings.artifacts)))
    attempt.terminated = is_terminated
    try:
        attempt.run()
    except OwnershipLost as error:
        # Another owner has the run: nothing may be changed any more, not even RQ's books.
        print(error, file=sys.stderr, flush=True)
        os._exit(FENCED)
    clean_up(attempt)


def open_store(settings: Settings) -> Store:
    """The record in the Redis of the settings; waits for it without limit."""
    if settings.redis_url is None:
        raise SystemExit("BAKEHOUSE_REDIS_URL is not set: a worker needs to know its Redis")
    return Store(connect(settings.redis_url, patient=True), lease_seconds=settings.lease_seconds)


def fits(settings: Settings, memory_bytes: int | None, record: Record) -> bool:
    """Whether this worker has the memory. A recipe that cannot even be planned, or whose data have changed, is
    claimed, to fail with its reason."""
    try:
        card = Catalog(settings).card(record.recipe.dataset.id)
        plan = make_plan(record.recipe, card)
    except (DatasetError, RecipeInvalid):
        return True
    if record.dataset_fingerprint not in (None, card.fingerprint):
        return True
    return plan.estimate.memory_bytes <= (memory_bytes or memory_limit(settings))


def name_the_ring(run_id: str) -> None:
    """RQ's own tools show what trains."""
    job = get_current_job()
    if job is not None:
        job.connection.hset(job.key, "description", f"train {run_id}")


def clean_up(attempt: Attempt) -> None:
    """A run that is over does not go on: its resume states go."""
    if attempt.record_store.record.is_over:
        attempt.place.artifacts.keep_resumes(attempt.run_id, 0)
