"""What is under fire while faults are injected: the hosts, their disk, their clock, and the runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import httpx
from redis import Redis
from redis.exceptions import RedisError

from bakehouse.runs.record import Record
from bakehouse.runs.store import Store, connect
from tests.chaos.client import Client
from tests.chaos.hosts import Hosts
from tests.chaos.judge import Violation
from tests.chaos.machine import FIRST, SECOND, Clock, Disk, make_clock, small_disk
from tests.chaos.recipes import SOURCE, SOURCE_KIND, Document
from tests.processes import is_running

T = TypeVar("T")

POLL_SECONDS = 0.03
NOTHING: dict[str, str] = {}
# Time in which a process whose parent was killed may save its run.
ORPHAN_SECONDS = 20.0
# Time in which a process that was asked to end does so: more than the 28 s that the workers' parent gives them.
ENDING_SECONDS = 30.0
# Milliseconds on a quiet machine.
SURVIVOR_SECONDS = 3.0
RECOVERY_LIMIT_SECONDS = 90.0
# A run fails after five lost attempts without progress, which is a promise and no fault: it is spared before.
MOST_LOST_ATTEMPTS = 2


class NotRecovered(Exception):
    """Raised if the product did not recover from a fault."""


@dataclass
class Fire:
    """Gives a fault all that it needs to choose its victim, and to see what becomes of it."""

    hosts: Hosts
    client: Client
    disk: Disk | None
    clock: Clock | None
    random: Random
    switch: Path
    """The file that says which guard is taken away; see `alterations/sitecustomize.py`."""
    source_id: str = ""
    """The run on whose weights others build."""
    storage_failures: set[str] = field(default_factory=set)
    """Runs that may have failed because their disk could not be written."""
    other_versions: bool = False
    """Whether a host had another version for a while."""
    violations: list[Violation] = field(default_factory=list)
    """What was seen while faults were injected; the judge looks when all runs are over."""
    endings: dict[str, float] = field(default_factory=dict)
    """Hosts of which a process was asked to end, with the time of the last one."""
    orphans: dict[int, float] = field(default_factory=dict)
    """Processes without a parent in the home, with the time since when."""

    @property
    def redis(self) -> Redis:
        """A client of the hosts' Redis, which gives up at once."""
        return Redis.from_url(self.hosts.first.redis_url, socket_timeout=5)

    @property
    def store(self) -> Store:
        """The runs as the faults see them; the judge never looks here."""
        return Store(connect(self.hosts.first.redis_url, patient=False))

    def train_source(self) -> Document:
        """Trains the run that others build on; returns the reference by which they name its weights."""
        self.source_id = self.client.submit(SOURCE_KIND, SOURCE)
        self.must(lambda: self.client.run(self.source_id)["status"] == "succeeded", "the source was not trained")
        best = self.client.get(f"/v1/runs/{self.source_id}/checkpoints/best")
        return {"run": self.source_id, "epoch": best["epoch"], "sha256": best["sha256"]}

    def owned(self) -> list[Record]:
        """Returns the runs that have an owner; none while Redis is away."""
        try:
            return list(self.store.owned())
        except RedisError:
            return []

    def victim(self, host: str | None = None) -> Record | None:
        """Returns a run whose owner may be lost; None if there is none within a few seconds."""
        return self.wait(lambda: self._pick(host), seconds=10)

    def _pick(self, host: str | None) -> Record | None:
        running = [item for item in self.owned() if item.owner and host in (None, item.owner.host)]
        fit = [item for item in running if item.attempts_without_progress <= MOST_LOST_ATTEMPTS]
        return self.random.choice(sorted(fit, key=lambda item: item.id)) if fit else None

    def spare(self) -> list[Record]:
        """Waits until every running run may lose its owner; returns them."""
        self.wait(
            lambda: all(item.attempts_without_progress <= MOST_LOST_ATTEMPTS for item in self.owned()), seconds=20
        )
        return self.owned()

    def wait(self, look: Callable[[], T | None], *, seconds: float = RECOVERY_LIMIT_SECONDS) -> T | None:
        """Returns the first answer that is not empty, or None."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
        return found

    def must(self, look: Callable[[], object], what: str) -> None:
        """Waits for something; raises NotRecovered if it does not happen."""
        if not self.wait(look):
            raise NotRecovered(f"{what} within {RECOVERY_LIMIT_SECONDS:.0f} s")

    def wait_for_recovery(self, victims: list[Record]) -> None:
        """Waits until each run has begun another attempt or is over."""
        for victim in victims:
            self.must(lambda victim=victim: self.has_recovered(victim), f"{victim.id} did not run again")  # type: ignore[misc]

    def has_recovered(self, victim: Record) -> bool:
        """Returns whether a run has begun another attempt or is over."""
        try:
            record = self.store.record(victim.id)
        except RedisError:
            return False
        return record.is_over or (record.attempt > victim.attempt and record.status == "running")

    def unfinished(self) -> list[str]:
        """Returns the accepted runs that are not over."""
        store = self.store
        return [run_id for run_id in self.client.history if not store.record(run_id).is_over]

    # What the judge could not see afterwards

    def note_orphans(self) -> None:
        """Notes each process that has outlived its parent by more than the time to save a run."""
        now = time.monotonic()
        found = self.hosts.orphans()
        self.orphans = {pid: self.orphans.get(pid, now) for pid in found}
        for pid, since in list(self.orphans.items()):
            if now - since > ORPHAN_SECONDS:
                self.violations.append(Violation("orphan", "", f"process {pid} has outlived its parent"))
                self.orphans[pid] = now + 3600  # noted once

    def note_survivor(self, pid: int) -> None:
        """Notes a training process that lives on although its worker was killed."""
        if not self.wait(lambda: not is_running(pid), seconds=SURVIVOR_SECONDS):
            self.violations.append(Violation("orphan", "", f"process {pid} trains on without its worker"))

    def note_ending(self, host: str) -> None:
        """Notes that processes of a host end now, for some time."""
        self.endings[host] = time.monotonic()

    def lasting_hosts(self) -> list[str]:
        """Returns the hosts of which every process that was asked to end has done so."""
        latest = time.monotonic() - ENDING_SECONDS
        return [host for host in (FIRST, SECOND) if self.endings.get(host, latest) <= latest]

    def note_deaths(self, pids: set[int], when: str) -> None:
        """Notes processes that have ended and should not have."""
        self.violations += [Violation("death", "", f"process {pid} ended {when}") for pid in pids]

    def note_damaged_download(self, run_id: str, sound: bytes) -> None:
        """Notes whether a service serves damaged weights as if they were the sound ones."""
        path = f"/v1/runs/{run_id}/checkpoints/best/model.safetensors"
        try:
            response = httpx.get(self.hosts.first.url + path, timeout=10, trust_env=False, follow_redirects=True)
        except httpx.TransportError:
            return
        if response.is_success and response.content != sound:
            self.violations.append(Violation("not identical", run_id, "its damaged weights are served as sound"))


@contextmanager
def under_fire(folder: Path, random: Random, *, further: dict[str, str] = NOTHING) -> Iterator[Fire]:
    """Runs two hosts on one home for the length of the block; afterwards none of their processes is left. `further` are
    settings of all processes."""
    home = folder / "home"
    clock = make_clock(folder)
    with small_disk(home / "artifacts") as disk:
        switch = folder / "switch"
        hosts = Hosts(home, {"CHAOS_SWITCH": str(switch), **(clock.environment if clock else {}), **further})
        try:
            hosts.start()
            client = Client(lambda: hosts.urls)
            yield Fire(hosts, client, disk, clock, random, switch)
            client.close()
        finally:
            hosts.kill()
