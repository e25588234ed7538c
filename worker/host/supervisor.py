"""The supervisor of one machine's workers, without torch.

Keeps the parent of the workers running; once a second rings for runs that wait, ends leases that are over,
kills owners that do not obey a cancel, and removes checkpoints that were replaced. Several do no harm.
"""

import signal
from collections.abc import Sequence
from time import sleep
from typing import Any

from bakehouse.processes import RestartingProcess, end_all
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.clock import monotonic_ms
from bakehouse.runs.commands import Cancel, Forget, Lost
from bakehouse.runs.errors import FolderNotShared, IllegalTransition, OwnershipLost, RunNotFound
from bakehouse.runs.marker import check_folder
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Record
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.host.owner import is_dead, kill

ROUND_SECONDS = 1.0
GRACE_SECONDS = 30.0
OBEY_MS = 20_000
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """What is done once a second."""

    def __init__(
        self, settings: Settings, store: Store, wake_queue: WakeQueue, slots: Sequence[RestartingProcess] = ()
    ) -> None:
        self.store, self.wake_queue, self.slots = store, wake_queue, slots
        self.settings, self.artifacts = settings, Artifacts(settings.artifacts)
        self.lease_seconds = settings.lease_seconds
        self.in_contact_since = self.last_round = seconds_up()

    def round(self) -> None:
        """Everything, in the order in which one thing helps the next. Raises FolderNotShared."""
        for slot in self.slots:
            slot.keep_running()
        check_folder(self.settings, self.store)
        self.note_contact()
        for record in self.store.owned():
            self.note_contact()
            self.judge(record)
        self.ring_for_waiting()
        self.forget_replaced()

    def note_contact(self) -> None:
        """After an outage every lease looks over: owners get a full lease to come back. An outage shows by the
        time that the last call took."""
        now = seconds_up()
        if now - self.last_round > max(3 * ROUND_SECONDS, self.lease_seconds / 3):
            self.in_contact_since = now
        self.last_round = now

    def judge(self, record: Record) -> None:
        """Whether the owner is gone, silent, or does not listen; a run that is over by that does not go on."""
        try:
            command = self.verdict(record)
            if command is not None and self.store.command(record.id, command).is_over:
                self.artifacts.keep_resumes(record.id, 0)
        except (IllegalTransition, OwnershipLost, RunNotFound, ProcessLookupError):
            pass  # it changed hands or ended meanwhile, which is as good

    def verdict(self, record: Record) -> Lost | Cancel | None:
        """What an owner's state and its lease ask for; kills one that does not obey."""
        owner, now = record.owner, self.store.now()
        if owner is None:
            return None
        if is_dead(owner):
            return Lost(nonce=owner.nonce)
        if seconds_up() - self.in_contact_since > self.lease_seconds and (record.lease_until or now) < now:
            return Lost()
        if record.request == "cancel" and now - (record.requested_ms or now) > OBEY_MS and kill(owner):
            return Cancel(owner.nonce, actor="supervisor")
        return None

    def ring_for_waiting(self) -> None:
        """Rings get lost; runs do not."""
        idle = sum(worker.status == "idle" for worker in self.store.workers())
        missing = min(self.store.claimable_count(), idle) - self.wake_queue.unanswered()
        if missing > 0:
            self.wake_queue.ring(missing)

    def forget_replaced(self) -> None:
        """Checkpoints that another replaced ten minutes ago: first out of the record, then off the disk."""
        for run_id in self.store.forgettable(self.store.now()):
            try:
                before = self.store.record(run_id)
                after = self.store.command(run_id, Forget())
                for sha256 in before.digests() - after.digests():
                    self.artifacts.delete_checkpoint(run_id, sha256)
            except (RunNotFound, FileNotFoundError):
                continue  # deleted meanwhile, or another supervisor was faster

    def end(self) -> None:
        """Workers save their states and end; those that do not are killed."""
        end_all(self.slots, grace=GRACE_SECONDS)


def seconds_up() -> float:
    """Since this machine was started, its sleep included: leases go on meanwhile."""
    return monotonic_ms() / 1000


class Ended(BaseException):
    """Somebody wants the supervisor to end, whatever it waits for."""


def end(*_: Any) -> None:
    """Once is enough."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Ended


def supervise(slots: Sequence[RestartingProcess]) -> None:
    """Until SIGTERM or SIGINT."""
    settings = Settings()
    if settings.redis_url is None:
        raise SystemExit("BAKEHOUSE_REDIS_URL is not set: workers need to know their Redis")
    redis = connect(settings.redis_url, patient=True)
    supervisor = Supervisor(settings, Store(redis, lease_seconds=settings.lease_seconds), WakeQueue(redis), slots)
    for number in SIGNALS:
        signal.signal(number, end)
    try:
        while True:
            supervisor.round()
            sleep(ROUND_SECONDS)
    except Ended:
        supervisor.end()
    except FolderNotShared as error:
        supervisor.end()
        raise SystemExit(str(error)) from error
