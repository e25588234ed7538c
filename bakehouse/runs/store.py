"""Writes and reads the runs in Redis with a client that blocks; `AsyncStore` does the same in an event loop. Logs are
read by `Logs`, and the change stream also by the service's hub."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar, Unpack

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from bakehouse.runs import wire
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Claim, Command
from bakehouse.runs.errors import ExperimentHeld, IllegalTransition, LogDamaged, RecordUnreadable, RunNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.logs import LogRange, Logs
from bakehouse.runs.measurements import Measurement
from bakehouse.runs.operations import NewRun, Operations
from bakehouse.runs.patience import OUTAGE, Patience
from bakehouse.runs.reads import Filters
from bakehouse.runs.record import Created, CreatedExperiment, Idempotency, Owner, Record
from bakehouse.runs.run import Event, Page, QueuePlace, Run, TaskProcess, Worker
from bakehouse.runs.scripts import Call, Operation
from bakehouse.runs.shown import ShownRun
from bakehouse.runs.stream_entries import StoredEvent
from bakehouse.runs.transitions import KEEP_REPLACED_MS
from bakehouse.runs.waiting import CHUNK, WaitingRuns
from bakehouse.runs.writes import Asked, Write

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Process = TypeVar("Process", Worker, TaskProcess)
# With these settings Redis answers a write only after it is on disk, and never drops a key to save memory.
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def connect(url: str, *, patient: bool, reply_seconds: float = 0.6) -> Redis:
    """Returns a client. Patient clients (workers, supervisors) wait without limit for a Redis that is away or refuses
    writes; others try twice in 2 s, or longer if they wait so many seconds for a reply.

    A retry after a lost reply is harmless: commit.lua recognizes by its token a write that it has carried out.
    """
    if patient:
        # RQ's workers wait for jobs in a blocking call, which has to end before this socket timeout.
        return Redis.from_url(url, retry=Patience(), socket_timeout=10.0, socket_connect_timeout=2.0)
    once_more = Retry(ConstantBackoff(0.1), retries=1)
    return Redis.from_url(url, retry=once_more, socket_timeout=reply_seconds, socket_connect_timeout=0.6)


class Store:
    """Stores the runs of one tenant. Can be shared between threads."""

    def __init__(
        self,
        redis: Redis,
        tenant: str = "local",
        lease_seconds: float = 10.0,
        artifacts: Artifacts | None = None,
    ) -> None:
        """`artifacts` has the archived logs; a process that reads no logs needs none."""
        self._redis = redis
        self._keys = Keys(tenant)
        self._operations = Operations(self._keys)
        self._waiting = WaitingRuns(redis, self._keys)
        self.logs = Logs(redis, self._keys, artifacts)
        self._lease_ms = round(lease_seconds * 1000)

    def _carry_out(self, operation: Operation[Result]) -> Result:
        try:
            calls = next(operation)
            while True:
                try:
                    replies = self._send(calls)
                except RedisError as error:
                    calls = operation.throw(error)
                else:
                    calls = operation.send(replies)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) == 1:
            return [calls[0](self._redis)]
        with self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                call(pipeline)
            return pipeline.execute()

    # Writing

    def create(self, run: Run, *, idempotency: Idempotency | None = None) -> Created:
        """Stores a queued run with its indexes, its idempotency key and its first events, either all or none."""
        created = self._carry_out(self._operations.create(run, idempotency=idempotency))
        return Created(created.run.run(), created.replayed)

    def create_many(
        self, runs: Iterable[NewRun], *, experiment: Write, idempotency: Idempotency | None = None
    ) -> CreatedExperiment:
        """Stores queued runs and what they change in the record of their experiment, either all or nothing.

        Raises ExperimentChanged if the experiment is not as the write expects it.
        """
        writes = self._operations.new_runs(runs, self.now())
        return self._carry_out(self._operations.create_many(writes, experiment=experiment, idempotency=idempotency))

    def first_experiment(self, idempotency: Idempotency) -> CreatedExperiment | None:
        """Returns the experiment that the same idempotency key created before, if any."""
        return self._carry_out(self._operations.first_experiment(idempotency))

    def command(self, run_id: str, command: Command) -> Record:
        """Reads a run's record and applies a command to it."""
        return self._carry_out(self._operations.command(run_id, command))

    def command_all(self, ids: Sequence[str], command: Command, asked: Asked | None = None) -> list[Record]:
        """Applies a command to many runs, from the oldest to the youngest, in one write; leaves out those that are gone
        or do not allow it. Returns the records that it has changed."""
        return self._carry_out(self._operations.command_all(ids, command, asked))

    def commit(self, record: Record, command: Command) -> Record:
        """Applies a command to a record and returns the result; if the record was changed meanwhile, applies it to the
        changed record instead."""
        return self._carry_out(self._operations.commit(record, command))

    def replaced_by(self, run_id: str) -> str | None:
        """Returns the run that has taken the place of a run in its experiment, if any."""
        found = self._redis.hget(self._keys.run(run_id), "replaced_by")
        return None if found is None else wire.text(found)

    def delete(self, run_id: str) -> None:
        """Removes every key of a run that is over and that no other run builds on; the caller deletes its files."""
        self._carry_out(self._operations.delete(run_id))

    def delete_all(self, ids: Sequence[str]) -> list[str]:
        """Removes every key of many runs, from the youngest to the oldest, in one write; leaves out those that are not
        over, or that other runs build on. The caller deletes the files of the runs that are gone, which this returns,
        and calls `forget_deleted`."""
        return self._carry_out(self._operations.delete_all(ids))

    def deleted(self, *, limit: int) -> list[str]:
        """Returns some of the deleted runs whose files may still be there."""
        return wire.texts(self._redis.zrange(self._keys.deleted_runs(), 0, limit - 1))

    def forget_deleted(self, ids: Sequence[str]) -> None:
        """Notes that the files of deleted runs are deleted."""
        if ids:
            self._redis.zrem(self._keys.deleted_runs(), *ids)

    def archive(self, run_id: str, *, seq: int) -> bool:
        """Packs the record of a finished run, and deletes its log, whose `seq` events must be in its file. Returns
        False, and changes nothing, if the log has another length, or if the record was changed meanwhile."""
        return self._carry_out(self._operations.archive(run_id, seq=seq))

    def claim(self, owner: Owner, *, fits: Callable[[Record], bool] = lambda record: True) -> Record | None:
        """Gives the first waiting run that fits to the owner; returns None if there is none."""
        self.adopt_waiting()
        held = self._waiting.held()
        for run_id in self._waiting.ready(held):
            try:
                record = self.record(run_id)
                room = record.experiment and held.get(record.experiment.id)
                if room and room.holds(record.request):
                    continue
                if record.status == "queued" and fits(record):
                    return self.commit(record, Claim(owner, self._lease_ms))
            except ExperimentHeld:
                held |= self._waiting.held()
            except (RunNotFound, IllegalTransition, RecordUnreadable):
                continue  # another worker was faster, or another version wrote the run
            except OUTAGE:
                raise
            except Exception:
                # Whatever is wrong with one run, the runs behind it must not wait.
                log.exception("The run %s cannot be claimed.", run_id)
        return None

    def add_measurement(self, measurement: Measurement) -> None:
        """Keeps what a worker measured, in place of an earlier measurement in the same slot."""
        self._carry_out(self._operations.add_measurement(measurement))

    # Time

    def now(self) -> int:
        """Returns Redis's time in milliseconds, which is read again every ten seconds."""
        return self._carry_out(self._operations.reads.now())

    def time_ms(self) -> int:
        """Reads Redis's time in milliseconds."""
        return self._carry_out(self._operations.reads.time_ms())

    # Reading

    def get(self, run_id: str) -> Run:
        """Returns the run as clients see it."""
        return self.show(run_id).run()

    def show(self, run_id: str) -> ShownRun:
        """Returns the run as clients see it, as JSON."""
        return self._carry_out(self._operations.reads.show(run_id))

    def record(self, run_id: str) -> Record:
        """Returns the run with the fields that workers and supervisors need."""
        return self._carry_out(self._operations.reads.record(run_id))

    def page(self, **filters: Unpack[Filters]) -> Page:
        """Returns the runs that match all filters, newest first: older than `after`, or newer than `before`."""
        page = self._carry_out(self._operations.reads.page(**filters))
        runs: list[Run] = []
        for shown in page.runs:
            with suppress(RecordUnreadable):
                runs.append(shown.run())
        first, last = (runs[0].id, runs[-1].id) if runs else (None, None)
        return Page(data=tuple(runs), has_more=page.has_more, first_id=first, last_id=last)

    # Logs

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Returns the run's events after the number `after`, in order."""
        return [event.parse() for event in self.stored_events(run_id, after=after, limit=limit)]

    def stored_events(
        self, run_id: str, *, after: int = 0, before: int | None = None, limit: int, tail: bool = False
    ) -> list[StoredEvent]:
        """Returns the run's events between two numbers, in order; with `tail`, the last ones if there are too many."""
        last = None if before is None else before - 1
        [events] = self.logs.events([LogRange(run_id, after=after, last=last, limit=limit, tail=tail)])
        if events:
            return events
        # If there is no such run, `head` raises RunNotFound.
        end = self.head(run_id) + 1
        if after + 1 < min(end, before or end) and self.record(run_id).archived:
            raise LogDamaged(run_id)
        return []

    def head(self, run_id: str) -> int:
        """Returns the number of the run's latest event."""
        seq = self._redis.hget(self._keys.run(run_id), "seq")
        if seq is None:
            raise RunNotFound(run_id)
        return int(seq)

    # Queues and workers

    def claimable_count(self) -> int:
        """Counts the runs that wait for a worker."""
        return self._waiting.count()

    def ready_count(self) -> int:
        """Counts the waiting runs that a worker could claim now: without those whose experiment holds them back."""
        return self._waiting.count_ready()

    def waiting(self, limit: int = 100) -> list[str]:
        """Returns the waiting runs in the order of their turns."""
        return list(islice(self._waiting.in_order(), limit))

    def places(self, run_ids: Sequence[str]) -> list[QueuePlace | None]:
        """Returns for each run its place in the queue; None if the run does not wait."""
        return self._carry_out(self._operations.reads.places(run_ids))

    def adopt_waiting(self) -> None:
        """Gives turns to some of the waiting runs that an earlier version queued, the first ones first."""
        for run_id in wire.texts(self._redis.zrange(self._keys.claimable_before(), 0, CHUNK - 1)):
            with suppress(RecordUnreadable):
                self._carry_out(self._operations.adopt(run_id))

    def owned(self) -> Iterator[Record]:
        """Yields the runs that have an owner, in the order in which their leases end."""
        for run_id in wire.texts(self._redis.zrange(self._keys.leases(), 0, -1)):
            with suppress(RunNotFound, RecordUnreadable):
                yield self.record(run_id)

    def purgeable(self, now: int) -> list[str]:
        """Returns the runs with checkpoints that were replaced long enough ago to be purged."""
        return wire.texts(self._redis.zrangebyscore(self._keys.replaced(), "-inf", now - KEEP_REPLACED_MS))

    def archivable(self, before: int, *, limit: int) -> list[str]:
        """Returns some of the runs that ended before a time and are not archived yet."""
        return wire.texts(self._redis.zrangebyscore(self._keys.archivable(), "-inf", before, 0, limit))

    def unclean(self, *, limit: int) -> list[str]:
        """Returns some of the runs that are over and may still have resume states on disk, the oldest first."""
        return wire.texts(self._redis.zrange(self._keys.unclean(), 0, limit - 1))

    def put_worker(self, worker: Worker, ttl: float, *, process: Owner | None = None) -> None:
        """Publishes a worker's status, which expires after `ttl` seconds, or when its machine's supervisor sees that
        `process` has ended."""
        self._put(self._keys.workers(), self._keys.worker(worker.name), worker, ttl, process)

    def workers(self) -> list[Worker]:
        """Returns the workers whose status has not expired, by name."""
        return self._listed(Worker, self._keys.workers(), self._keys.worker)

    def put_task_process(self, status: TaskProcess, ttl: float, *, process: Owner | None = None) -> None:
        """Publishes a task process's status, which expires like that of a worker."""
        self._put(self._keys.task_processes(), self._keys.task_process(status.name), status, ttl, process)

    def task_processes(self) -> list[TaskProcess]:
        """Returns the task processes whose status has not expired, by name."""
        return self._listed(TaskProcess, self._keys.task_processes(), self._keys.task_process)

    def processes(self) -> dict[str, Owner]:
        """Returns the processes of the workers and the task processes whose status has not expired, by name."""
        stored: dict[str, wire.Text] = {}
        for names in (self._keys.workers(), self._keys.task_processes()):
            stored |= self._stored(names, self._keys.process)
        return {name: Owner.model_validate_json(process) for name, process in stored.items()}

    def remove_process(self, name: str) -> None:
        """Removes the status of a worker or a task process that has ended."""
        with self._redis.pipeline() as pipeline:
            pipeline.delete(self._keys.worker(name), self._keys.task_process(name), self._keys.process(name))
            pipeline.zrem(self._keys.workers(), name)
            pipeline.zrem(self._keys.task_processes(), name)
            pipeline.execute()

    def _put(self, names: str, key: str, status: Process, ttl: float, process: Owner | None) -> None:
        now = self.now()
        ttl_ms = round(ttl * 1000)
        with self._redis.pipeline() as pipeline:
            pipeline.set(key, status.model_dump_json(), px=ttl_ms)
            if process is not None:
                # Not a part of the status, which earlier versions would not understand then.
                pipeline.set(self._keys.process(status.name), process.model_dump_json(), px=ttl_ms)
            # A status expires by itself, but the members of a sorted set do not.
            pipeline.zremrangebyscore(names, "-inf", now)
            pipeline.zadd(names, {status.name: now + ttl_ms})
            pipeline.execute()

    def _listed(self, kind: type[Process], names: str, key: Callable[[str], str]) -> list[Process]:
        return [kind.model_validate_json(status) for status in self._stored(names, key).values()]

    def _stored(self, names: str, key: Callable[[str], str]) -> dict[str, wire.Text]:
        listed = sorted(wire.texts(self._redis.zrange(names, 0, -1)))
        texts = self._redis.mget([key(name) for name in listed]) if listed else []
        # A key may expire before the process's name leaves the sorted set.
        return {name: text for name, text in zip(listed, texts, strict=True) if text is not None}

    # The folder of the runs' files

    def marker(self) -> str | None:
        """Returns the text that `register_marker` stored, or None."""
        text = self._redis.get(self._keys.marker())
        return None if text is None else wire.text(text)

    def register_marker(self, text: str) -> None:
        """Stores the marker of the folder that holds the runs' files, unless a marker is stored already."""
        self._redis.set(self._keys.marker(), text, nx=True)

    # Redis itself

    def check_writes(self) -> None:
        """Raises an error of redis-py if Redis accepts no writes at the moment, for example because it is full."""
        # Redis refuses this write whenever it refuses others, but an empty text creates no key.
        self._redis.setrange(self._keys.never_written(), 0, "")

    def ping(self) -> None:
        """Raises redis's ConnectionError or TimeoutError if Redis does not answer."""
        self._redis.ping()

    def check_durability(self) -> list[str]:
        """Returns a warning for each setting with which Redis could lose accepted runs."""
        try:
            present = {name: self._redis.config_get(name).get(name) for name in DURABLE}
        # Hosted Redis servers often forbid CONFIG.
        except ResponseError as error:
            return [f"Redis does not show its settings, so it may lose runs: {error}"]
        return [
            f"Redis has {name} {present[name]}; it must be {wanted}"
            for name, wanted in DURABLE.items()
            if present[name] != wanted
        ]
