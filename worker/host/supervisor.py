"""The supervisor of one machine's workers. It does not import torch.

It keeps the parent of the workers running. Once a second it wakes workers for waiting runs, releases runs whose lease
has expired, kills owners that do not obey a cancel, and removes workers that were killed and files that nothing needs.
Several may run at once.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import sleep

from pydantic import ValidationError

from bakehouse.experiments.deletion import delete_runs
from bakehouse.experiments.experiment import ExperimentRecord
from bakehouse.experiments.requests import CONCERNED, carry_out
from bakehouse.experiments.search import is_available
from bakehouse.experiments.store import ExperimentStore
from bakehouse.processes import REFUSED, RestartingProcess, end_all
from bakehouse.runs.commands import Cancel, NoteCleanedUp, OwnerLost, PurgeReplaced
from bakehouse.runs.errors import (
    FolderNotShared,
    IllegalTransition,
    MarkerNotFound,
    OwnershipLost,
    RunNotFound,
    StorageUnavailable,
)
from bakehouse.runs.marker import check_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.patience import OUTAGE, limit_patience
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Record
from bakehouse.runs.status import TERMINAL
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings, explain_settings
from worker.host.attempt_output import note
from worker.host.experiment_driver import ExperimentDriver
from worker.host.owner import is_dead, kill
from worker.host.watch import Watch, seconds_up

TICK_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
GRACE_SECONDS = 30.0
CANCEL_GRACE_SECONDS = 20.0
# The service deletes the runs of an experiment at least this fast.
DELETION_GRACE_SECONDS = 5.0
# A folder on the network may be away for this time before the workers end.
FOLDER_GRACE_SECONDS = 30.0
# Other work must not wait long for the files of many runs.
RUNS_PER_TICK = 20
POSTPONED_SECONDS = 600.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """Does the supervisor's work, once per call of `tick`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        wake_queue: WakeQueue,
        experiments: ExperimentStore,
        children: Sequence[RestartingProcess] = (),
    ) -> None:
        self.settings = settings
        self.store = store
        self.experiments = experiments
        self.experiments_in_turn = ExperimentDriver(settings, store, experiments)
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.wake_queue = wake_queue
        self.children = children
        self.artifacts = open_artifacts(settings)
        self.lease_seconds = settings.lease_seconds
        self.in_contact_since = self.last_contact = seconds_up()
        self.leases = Watch()
        self.requests = Watch()
        self.deletions = Watch()
        self.deleted_runs = Watch()
        self.folder_lost_since: float | None = None
        self.reported: set[str] = set()
        # When a part of the work for a run that has failed is tried again, by run.
        self.postponed: dict[str, float] = {}

    def tick(self) -> None:
        """Does all work once. Wakes workers after the checks, so that they find the released runs. May raise
        FolderNotShared and ChildRefused."""
        # The children come first, because everything below may wait for Redis.
        for child in self.children:
            if child.poll() == REFUSED:
                raise ChildRefused
            child.keep_running()
        try:
            # All other work changes files or lets workers claim runs.
            if self.check_folder():
                # Comes first, because it frees the memory of a Redis that is full.
                self.guard(self.archive_finished)
                # A full Redis still answers reads, but refuses the renewals of the owners.
                self.store.check_writes()
                self.track_outage()
                self.guard(self.tell_of_itself)
                self.guard(self.check_owners)
                self.guard(self.carry_out_requests)
                self.guard(self.carry_out_deletions)
                self.guard(self.delete_left_files)
                # Before the searches, which create as many runs as there are workers, and before the wake-ups.
                self.guard(self.remove_dead_processes)
                self.guard(self.carry_on_experiments)
                self.guard(self.wake_idle_workers)
                self.guard(self.purge_replaced)
                self.guard(self.clean_up_after_runs)
        except OUTAGE:
            self.in_contact_since = self.last_contact = seconds_up()

    def guard(self, part: Callable[..., object], *arguments: object) -> bool:
        """Does a part of the work, and returns whether it was done. An unexpected error must stop neither the other
        parts nor this process."""
        return self.attempt(part, *arguments) is None

    def attempt(self, part: Callable[..., object], *arguments: object) -> Exception | None:
        """Does a part of the work, and returns the unexpected error with which it ended, if it did."""
        try:
            part(*arguments)
        except OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - each part is repeated later
            # The same error may come back every second.
            if repr(error) not in self.reported:
                self.reported.add(repr(error))
                traceback.print_exception(error)
            return error
        return None

    def for_each(self, run_ids: Iterable[str], part: Callable[[str], None]) -> None:
        """Does a part of the work for each run. A run for which it fails twice is left alone for a while, so that it
        does not keep others from their turn."""
        now = seconds_up()
        # A run that was deleted meanwhile is never among `run_ids` again.
        self.postponed = {run_id: at for run_id, at in self.postponed.items() if at > now - POSTPONED_SECONDS}
        for run_id in run_ids:
            retry_at = self.postponed.get(run_id)
            if retry_at is not None and retry_at > now:
                continue
            error = self.attempt(part, run_id)
            if error is None:
                self.postponed.pop(run_id, None)
                continue
            self.postponed[run_id] = now if retry_at is None else now + POSTPONED_SECONDS
            # If a store is away, each of the others would be waited for as long, and owners meanwhile not be checked.
            if isinstance(error, StorageUnavailable):
                break

    def check_owners(self) -> None:
        """Checks the owners of all running runs."""
        checked = []
        for record in self.store.owned():
            checked.append(record.id)
            # The previous command may have waited for Redis, while the leases of the next runs expired.
            self.track_outage()
            self.guard(self.check_owner, record)
        self.leases.keep(checked)
        self.requests.keep(checked)

    def carry_out_requests(self) -> None:
        """Sends what users have asked for whole experiments to runs that it has not reached, because the service ended
        meanwhile or because they are new."""
        for record in self.experiments.asked():
            self.guard(self.carry_out_request, record)

    def carry_out_request(self, record: ExperimentRecord) -> None:
        """Sends what a user has asked for an experiment to those of its runs that it has not reached."""
        counts = self.experiments.brief(record).counts.keys()
        if counts & CONCERNED[record.request]:
            carry_out(record, record.request, self.experiments, self.artifacts)
        # A search that is paused between two trials must stay so.
        elif record.is_complete and counts <= TERMINAL:
            self.experiments.forget_request(record.id)

    def carry_out_deletions(self) -> None:
        """Deletes the runs of deleted experiments, if the service has ended meanwhile."""
        deleted = self.experiments.deleted()
        self.deletions.keep(deleted)
        for experiment_id in deleted:
            left = len(self.experiments.run_ids(experiment_id))
            if self.deletions.seconds(experiment_id, left) > DELETION_GRACE_SECONDS:
                self.guard(delete_runs, experiment_id, self.experiments, self.artifacts)

    def delete_left_files(self) -> None:
        """Deletes the files of deleted runs, if the process that has deleted the runs has ended meanwhile."""
        left = self.store.deleted(limit=RUNS_PER_TICK + len(self.postponed))
        if self.deleted_runs.seconds("files", left) > DELETION_GRACE_SECONDS:
            self.for_each(left, self.delete_files)

    def delete_files(self, run_id: str) -> None:
        """Deletes the files of a deleted run."""
        self.artifacts.delete_run(run_id)
        self.store.forget_deleted([run_id])

    def check_folder(self) -> bool:
        """Returns whether the folder is the registered one; False for the first seconds in which nobody can tell.

        Raises FolderNotShared if the folder is another one, or if nobody could tell for FOLDER_GRACE_SECONDS.
        """
        try:
            check_folder(self.settings, self.store)
        except (MarkerNotFound, OSError) as error:
            self.wait_for_folder(error)
            return False
        self.folder_lost_since = None
        return True

    def wait_for_folder(self, error: MarkerNotFound | OSError) -> None:
        """Logs why the marker could not be read; raises FolderNotShared if the time to wait is over."""
        now = seconds_up()
        if self.folder_lost_since is None:
            self.folder_lost_since = now
            print(
                f"The marker in {self.settings.store_name} cannot be read; the workers end if this lasts "
                f"{FOLDER_GRACE_SECONDS:.0f} s: {error}",
                file=sys.stderr,
                flush=True,
            )
        lost_seconds = now - self.folder_lost_since
        if lost_seconds >= FOLDER_GRACE_SECONDS:
            raise FolderNotShared(
                f"The marker in {self.settings.store_name} could not be read for {lost_seconds:.0f} s: {error}"
            ) from error

    def track_outage(self) -> None:
        """Restarts the time of unbroken contact with Redis if the last call took long.

        After an outage every lease seems to have expired, so owners get the length of a lease to renew theirs.
        """
        now = seconds_up()
        if now - self.last_contact > max(3 * TICK_SECONDS, self.lease_seconds / 3):
            self.in_contact_since = now
        self.last_contact = now

    def check_owner(self, record: Record) -> None:
        """Releases or cancels a run whose owner is dead, silent or disobedient."""
        try:
            command = self.command_for(record)
            if command is not None:
                after = self.store.command(record.id, command)
                note(self.artifacts, record, "the supervisor took the run: the process was dead or did not answer")
                self.artifacts.clean_up_after(after)
        except (IllegalTransition, OwnershipLost, RunNotFound, ProcessLookupError):
            pass  # the run has ended or got another owner meanwhile, so nothing is left to do

    def command_for(self, record: Record) -> OwnerLost | Cancel | None:
        """Returns the command that the owner's state requires, if any; kills an owner that hangs or does not obey a
        cancel."""
        owner = record.owner
        if owner is None:
            return None
        is_cancelled = record.request == "cancel"
        # A dead process of this machine is noticed at once, before its lease expires.
        if is_dead(owner):
            return Cancel(owner.nonce, actor="supervisor") if is_cancelled else OwnerLost(nonce=owner.nonce)
        if self.is_silent(record):
            # A process that hangs would keep its worker for ever. On another machine it loses only its run.
            is_killed = kill(owner)
            if is_cancelled:
                return Cancel(owner.nonce, actor="supervisor")
            return OwnerLost(nonce=owner.nonce) if is_killed else OwnerLost(lease_until=record.lease_until)
        if is_cancelled and self.is_overdue(record) and kill(owner):
            return Cancel(owner.nonce, actor="supervisor")
        return None

    def is_silent(self, record: Record) -> bool:
        """Returns whether the owner has not renewed its lease in its length, although it could have."""
        silent = self.leases.seconds(record.id, record.lease_until)
        return min(silent, seconds_up() - self.in_contact_since) > self.lease_seconds

    def is_overdue(self, record: Record) -> bool:
        """Returns whether the owner has not obeyed a request within its grace."""
        return self.requests.seconds(record.id, record.requested_ms) > CANCEL_GRACE_SECONDS

    def remove_dead_processes(self) -> None:
        """Removes the status of each worker and task process of this machine that was killed. One of a lost machine
        expires."""
        for name, process in self.store.processes().items():
            if is_dead(process):
                self.store.remove_process(name)

    def wake_idle_workers(self) -> None:
        """Repeats lost wake-ups, so that as many are pending as there are idle workers with a run to claim."""
        self.store.adopt_waiting()
        idle = sum(worker.status == "idle" for worker in self.store.workers())
        missing = min(self.store.ready_count(), idle) - self.wake_queue.pending()
        if missing > 0:
            self.wake_queue.wake(missing)

    def tell_of_itself(self) -> None:
        """Notes that this supervisor is there, and whether it can carry on searches."""
        self.experiments.supervisors.put(self.name, can_search=is_available())

    def carry_on_experiments(self) -> None:
        """Creates the next runs of each search, and those of arms that build on others."""
        self.experiments_in_turn.carry_on(self.guard)

    def purge_replaced(self) -> None:
        """Removes checkpoints that were replaced long enough ago, first from the record and then from the disk."""
        for run_id in self.store.purgeable(self.store.now()):
            self.guard(self.purge, run_id)

    def purge(self, run_id: str) -> None:
        """Removes the checkpoints of one run that were replaced long enough ago."""
        # The run may have been deleted meanwhile, or another supervisor was faster.
        with suppress(RunNotFound, FileNotFoundError):
            before = self.store.record(run_id)
            after = self.store.command(run_id, PurgeReplaced())
            # Two checkpoints may have the same weights, so the digests that are still listed are kept.
            for sha256 in before.digests() - after.digests():
                self.artifacts.delete_checkpoint(run_id, sha256)

    def archive_finished(self) -> None:
        """Moves the logs of some of the runs that ended long enough ago from Redis into files."""
        before = self.store.now() - round(1000 * self.settings.archive_after_seconds)
        run_ids = self.store.archivable(before, limit=RUNS_PER_TICK + len(self.postponed))
        self.for_each(run_ids, self.archive)

    def archive(self, run_id: str) -> None:
        """Writes the log of a run into a file; then packs the record, and deletes the log in Redis."""
        # The run may have been deleted meanwhile.
        with suppress(RunNotFound):
            record = self.store.record(run_id)
            # Another supervisor was faster.
            if record.archived:
                return
            events = list(self.store.logs.whole(run_id))
            # Never in place of a log that has them all.
            if len(events) != record.seq:
                raise NotArchived(run_id)
            self.artifacts.write_log(run_id, (event.json for event in events))
            if not self.store.archive(run_id, seq=len(events)):
                raise NotArchived(run_id)

    def clean_up_after_runs(self) -> None:
        """Deletes the resume states that a process left because it died after the end of its run, or could not
        delete."""
        self.for_each(self.store.unclean(limit=RUNS_PER_TICK + len(self.postponed)), self.clean_up_after)

    def clean_up_after(self, run_id: str) -> None:
        """Deletes the resume states of a run that is over."""
        with suppress(RunNotFound):
            self.artifacts.prune_resume_states(run_id, keep=0)
            self.artifacts.sweep(run_id)
            self.store.command(run_id, NoteCleanedUp())

    def end(self) -> None:
        """Asks the workers to save their runs and end; kills those that do not end in time."""
        end_all(self.children, grace=GRACE_SECONDS)


# A BaseException is not caught by an `except Exception` on its way.
class Terminated(BaseException):
    """Raised by a signal to end the supervisor, whatever it is waiting for."""


class NotArchived(Exception):
    """Raised if the log of a run cannot be moved now: it has not all events that the record counts, or the record has
    changed meanwhile."""


class ChildRefused(Exception):
    """Raised if the parent of the workers cannot run before somebody changes a setting; it has printed which."""


def terminate(*_: object) -> None:
    """Raises Terminated at the first signal; all later signals are ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Terminated


def supervise(children: Sequence[RestartingProcess]) -> int:
    """Supervises the workers until SIGTERM or SIGINT; returns the exit code, which is 2 if a setting is wrong."""
    try:
        settings = Settings()
    except ValidationError as error:
        return refuse(children, explain_settings(error))
    if settings.redis_url is None:
        return refuse(children, "BAKEHOUSE_REDIS_URL is not set: workers need the address of their Redis")
    redis = connect(settings.redis_url, patient=True)
    # In an outage this process still keeps its children running.
    limit_patience(redis, PATIENCE_SECONDS)
    store = Store(redis, lease_seconds=settings.lease_seconds, artifacts=open_artifacts(settings))
    supervisor = Supervisor(settings, store, WakeQueue(redis), ExperimentStore(redis, store), children)
    for number in SIGNALS:
        signal.signal(number, terminate)
    try:
        while True:
            supervisor.tick()
            sleep(TICK_SECONDS)
    except Terminated:
        supervisor.end()
        return 0
    except ChildRefused:
        return REFUSED
    except FolderNotShared as error:
        return refuse(children, str(error))


def refuse(children: Sequence[RestartingProcess], reason: str) -> int:
    """Ends the workers, and prints why they cannot run before somebody changes a setting; returns the exit code."""
    end_all(children, grace=GRACE_SECONDS)
    print(reason, file=sys.stderr, flush=True)
    return REFUSED
