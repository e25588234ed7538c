"""Writes and reads the runs in Redis. Logs are read by `Logs`, and the change stream also by the service's hub."""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from itertools import islice
from typing import Any, Literal

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from bakehouse.runs import wire
from bakehouse.runs.clock import monotonic_ms
from bakehouse.runs.commands import Claim, Command, OwnerCommand, actor_of
from bakehouse.runs.errors import (
    CursorNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    OwnershipLost,
    RecordUnreadable,
    RunHasDependants,
    RunNotFound,
    SourceRunDeleted,
)
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.logs import LogRange, Logs
from bakehouse.runs.patience import OUTAGE, Patience
from bakehouse.runs.record import Created, Idempotency, Owner, Record, queue_place
from bakehouse.runs.run import Event, Page, Run, Status, Worker
from bakehouse.runs.transitions import KEEP_REPLACED_MS, reduce, submit

log = logging.getLogger(__name__)

COMMIT = files("bakehouse.runs").joinpath("commit.lua").read_text()
# More than the client's page of 100 runs, so that a list without filters reads its index once.
CHUNK = 200
# Time after which Redis is asked for its time again, because clocks drift.
TRUSTED_MS = 10_000
# With these settings Redis answers a write only after it is on disk, and never drops a key to save memory.
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def connect(url: str, *, patient: bool) -> Redis:
    """Returns a client. Patient clients (workers, supervisors) wait without limit for a Redis that is away or refuses
    writes; others try twice in 2 s.

    A retry after a lost reply is harmless: commit.lua recognizes by its token a write that it has carried out.
    """
    if patient:
        # RQ's workers wait for jobs in a blocking call, which has to end before this socket timeout.
        return Redis.from_url(url, retry=Patience(), socket_timeout=10.0, socket_connect_timeout=2.0)
    once_more = Retry(ConstantBackoff(0.1), retries=1)
    return Redis.from_url(url, retry=once_more, socket_timeout=0.6, socket_connect_timeout=0.6)


class Store:
    """Stores the runs of one tenant. Can be shared between threads."""

    def __init__(self, redis: Redis, tenant: str = "local", lease_seconds: float = 10.0) -> None:
        self._redis = redis
        self._keys = Keys(tenant)
        self.logs = Logs(redis, self._keys)
        self._lease_ms = round(lease_seconds * 1000)
        # A call sends only the digest of the script, or the whole script if Redis does not know it.
        self._script = redis.register_script(COMMIT)
        # Redis's clock minus this machine's clock, as measured when the latter showed `_read_ms`.
        self._offset_ms = 0
        # This start value makes the first call of `now` ask Redis.
        self._read_ms = -TRUSTED_MS

    # Writing

    def create(self, run: Run, *, idempotency: Idempotency | None = None) -> Created:
        """Stores a queued run with its indexes, its idempotency key and its first events, either all or none."""
        key = digest(idempotency.key) if idempotency else None
        record, events = submit(run, idempotency=key, now=self.now())
        reply = self._send(wire.creation(self._keys, record, events, idempotency))
        if idempotency and reply.outcome == "replayed":
            return self._replayed(idempotency, reply.payload)
        if reply.outcome == "source_missing":
            raise SourceRunDeleted(wire.text(reply.payload))
        return Created(self._public([record])[0], replayed=False)

    def first_answer(self, idempotency: Idempotency) -> Created | None:
        """Returns the run that the same idempotency key created before, if any."""
        value = self._redis.get(self._keys.idempotency(digest(idempotency.key)))
        return None if value is None else self._replayed(idempotency, value)

    def _replayed(self, idempotency: Idempotency, payload: Any) -> Created:
        first = json.loads(payload)
        if first["body_sha256"] != idempotency.body_sha256:
            raise IdempotencyMismatch(idempotency.key)
        return Created(self.get(first["run_id"]), replayed=True)

    def command(self, run_id: str, command: Command) -> Record:
        """Reads a run's record and applies a command to it."""
        return self.commit(self.record(run_id), command)

    def commit(self, record: Record, command: Command) -> Record:
        """Applies a command to a record and returns the result; if the record was changed meanwhile, applies it to the
        changed record instead.

        Owners call this: the returned record shows them new requests. OwnershipLost tells them of a new owner, or that
        Redis lost what they wrote: what follows it must not be written then.
        """
        # The number of tries has no limit, because every conflict means that another writer has made progress.
        while True:
            after, events = reduce(record, command, self.now())
            # The reducer returns the same object if nothing changes; then Redis need not be asked.
            if after is record:
                return record
            reply = self._send(wire.change(self._keys, record, after, events, actor_of(command)))
            match reply.outcome:
                case "done":
                    return after.model_copy(update={"token": reply.token, "seq": reply.seq})
                case "repeated":
                    return wire.decode(wire.pairs(reply.payload))
                case "absent":
                    raise OwnershipLost(record.id) if isinstance(command, OwnerCommand) else RunNotFound(record.id)
                # After a conflict the reply contains the changed record, so it need not be read again.
                case _:
                    changed = wire.decode(wire.pairs(reply.payload))
                    if isinstance(command, OwnerCommand) and changed.lacks(record):
                        raise OwnershipLost(record.id)
                    record = changed

    def claim(self, owner: Owner, *, fits: Callable[[Record], bool] = lambda record: True) -> Record | None:
        """Gives the first waiting run that fits to the owner; returns None if there is none."""
        for run_id in self._waiting():
            try:
                record = self.record(run_id)
                if record.status == "queued" and fits(record):
                    return self.commit(record, Claim(owner, self._lease_ms))
            except (RunNotFound, IllegalTransition, RecordUnreadable):
                continue  # another worker was faster, or another version wrote the run
            except OUTAGE:
                raise
            except Exception:
                # Whatever is wrong with one run, the runs behind it must not wait.
                log.exception("The run %s cannot be claimed.", run_id)
        return None

    def delete(self, run_id: str) -> None:
        """Removes every key of a run that is over and that no other run builds on; the caller deletes its files."""
        while True:
            record = self.record(run_id)
            if not record.is_over:
                raise IllegalTransition(run_id, status=record.status, request=record.request, asked="deleted")
            reply = self._send(wire.deletion(self._keys, record))
            if reply.outcome == "has_dependants":
                raise RunHasDependants(run_id, tuple(wire.texts(reply.payload)))
            # A rename in the meantime changes the indexes that list the run, so its record is read again.
            if reply.outcome != "conflict":
                return

    def _send(self, write: wire.Write) -> wire.Reply:
        # commit.lua reads its keys by position, so their order must match its header.
        keys = [self._keys.run(write.run_id), self._keys.log(write.run_id), self._keys.changes(), self._keys.runs()]
        if write.idempotency:
            keys.append(self._keys.idempotency(write.idempotency[0]))
        # If redis-py repeats the call after a lost reply, it sends the same token, and the script recognizes it.
        token = secrets.token_hex(16)
        outcome, milliseconds, seq, payload = self._script(keys, [wire.script_argument(write, token)])
        self._set_clock(milliseconds)
        return wire.Reply(wire.text(outcome), token, seq, payload)  # type: ignore[arg-type]

    # Time

    def now(self) -> int:
        """Returns Redis's time in milliseconds: the last time read from Redis, plus the time that has passed since."""
        if monotonic_ms() - self._read_ms > TRUSTED_MS:
            return self.time_ms()
        return self._offset_ms + monotonic_ms()

    def time_ms(self) -> int:
        """Reads Redis's time in milliseconds."""
        seconds, microseconds = self._redis.time()
        self._set_clock(seconds * 1000 + microseconds // 1000)
        return self._offset_ms + monotonic_ms()

    def _set_clock(self, milliseconds: int) -> None:
        self._read_ms = monotonic_ms()
        # Redis read its clock before the reply travelled here, so `now` lags behind Redis by that time.
        self._offset_ms = milliseconds - self._read_ms

    # Reading

    def get(self, run_id: str) -> Run:
        """Returns the run as clients see it."""
        return self._public([self.record(run_id)])[0]

    def record(self, run_id: str) -> Record:
        """Returns the run with the fields that workers and supervisors need."""
        fields = self._redis.hgetall(self._keys.run(run_id))
        if not fields:
            raise RunNotFound(run_id)
        return wire.decode(fields)

    def _public(self, records: Sequence[Record]) -> list[Run]:
        now = self.now()
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcount(self._keys.workers(), now, "+inf")
            for record in records:
                pipeline.zrank(self._keys.claimable(), record.id)
            workers, *ranks = pipeline.execute()
        places = (None if rank is None else queue_place(rank, workers) for rank in ranks)
        return [record.public(place) for record, place in zip(records, places, strict=True)]

    def page(
        self,
        *,
        status: Status | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        architecture: str | None = None,
        recipe_sha256: str | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> Page:
        """Returns the runs that match all filters, newest first: older than `after`, or newer than `before`."""
        fields = {"status": status, "dataset": dataset, "architecture": architecture, "recipe_sha256": recipe_sha256}
        filters = self._keys.filters(fields, labels or {})
        matching = self._matching(filters, after=after, before=before)
        # One run more than asked for shows whether there are further runs.
        found = list(islice(matching, limit + 1))
        # Runs that are newer than a cursor are found oldest first, but every page lists the newest first.
        ids = found[:limit] if before is None else found[:limit][::-1]
        runs = self._public(self._records(ids))
        first, last = (runs[0].id, runs[-1].id) if runs else (None, None)
        return Page(data=tuple(runs), has_more=len(found) > limit, first_id=first, last_id=last)

    def _matching(self, filters: list[str], *, after: str | None, before: str | None) -> Iterator[str]:
        # Goes through the smallest index, starting at the cursor, and looks its runs up in the other indexes.
        smallest, *others = sorted(filters, key=self._redis.zcard) or [self._keys.runs()]
        start = self._bound(after, "after") or self._bound(before, "before")
        while chunk := self._chunk(smallest, start, newest_first=before is None):
            ids = [wire.text(run_id) for run_id, _ in chunk]
            with self._redis.pipeline(transaction=False) as pipeline:
                for other in others:
                    pipeline.zmscore(other, ids)
                scores = pipeline.execute()
            yield from (run_id for run_id, *found in zip(ids, *scores, strict=True) if None not in found)
            # Each run has its own score in these indexes, so the exclusive bound neither repeats nor skips a run.
            start = f"({chunk[-1][1]:.0f}"

    def _bound(self, cursor: str | None, parameter: Literal["after", "before"]) -> str | None:
        if cursor is None:
            return None
        score = self._redis.zscore(self._keys.runs(), cursor)
        if score is None:
            raise CursorNotFound(cursor, parameter)
        return f"({score:.0f}"

    def _chunk(self, index: str, start: str | None, *, newest_first: bool) -> list[tuple[wire.Text, float]]:
        chunk: Any
        if newest_first:
            chunk = self._redis.zrevrangebyscore(index, start or "+inf", "-inf", 0, CHUNK, withscores=True)
        else:
            chunk = self._redis.zrangebyscore(index, start or "-inf", "+inf", 0, CHUNK, withscores=True)
        return list(chunk)

    def _records(self, ids: Iterable[str]) -> list[Record]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for run_id in ids:
                pipeline.hgetall(self._keys.run(run_id))
            # A run may have been deleted since its id was read.
            hashes = [fields for fields in pipeline.execute() if fields]
        return [record for fields in hashes if (record := wire.decode_or_skip(fields)) is not None]

    # Logs

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Returns the run's events after the number `after`, in order."""
        [events] = self.logs.events([LogRange(run_id, after=after, limit=limit)])
        if not events:
            # The answer is also empty if there is no such run; then this raises RunNotFound.
            self.head(run_id)
        return [event.parse() for event in events]

    def head(self, run_id: str) -> int:
        """Returns the number of the run's latest event."""
        seq = self._redis.hget(self._keys.run(run_id), "seq")
        if seq is None:
            raise RunNotFound(run_id)
        return int(seq)

    # Queues and workers

    def claimable_count(self) -> int:
        """Counts the runs that wait for a worker."""
        return self._redis.zcard(self._keys.claimable())

    def waiting(self, limit: int = 100) -> list[str]:
        """Returns the waiting runs in the order in which they are claimed."""
        return list(islice(self._waiting(), limit))

    def _waiting(self) -> Iterator[str]:
        start = 0
        # Claims move later runs forward, so this may pass over a run until the next call.
        while ids := wire.texts(self._redis.zrange(self._keys.claimable(), start, start + CHUNK - 1)):
            yield from ids
            start += CHUNK

    def owned(self) -> Iterator[Record]:
        """Yields the runs that have an owner, in the order in which their leases end."""
        for run_id in wire.texts(self._redis.zrange(self._keys.leases(), 0, -1)):
            with suppress(RunNotFound, RecordUnreadable):
                yield self.record(run_id)

    def purgeable(self, now: int) -> list[str]:
        """Returns the runs with checkpoints that were replaced long enough ago to be purged."""
        return wire.texts(self._redis.zrangebyscore(self._keys.replaced(), "-inf", now - KEEP_REPLACED_MS))

    def put_worker(self, worker: Worker, ttl: float) -> None:
        """Publishes a worker's status, which expires after `ttl` seconds."""
        now = self.now()
        ttl_ms = round(ttl * 1000)
        with self._redis.pipeline() as pipeline:
            pipeline.set(self._keys.worker(worker.name), worker.model_dump_json(), px=ttl_ms)
            # A status expires by itself, but the members of a sorted set do not.
            pipeline.zremrangebyscore(self._keys.workers(), "-inf", now)
            pipeline.zadd(self._keys.workers(), {worker.name: now + ttl_ms})
            pipeline.execute()

    def remove_worker(self, name: str) -> None:
        """Removes the status of a worker that has ended."""
        with self._redis.pipeline() as pipeline:
            pipeline.delete(self._keys.worker(name))
            pipeline.zrem(self._keys.workers(), name)
            pipeline.execute()

    def workers(self) -> list[Worker]:
        """Returns the workers whose status has not expired, by name."""
        names = sorted(wire.texts(self._redis.zrange(self._keys.workers(), 0, -1)))
        statuses = self._redis.mget([self._keys.worker(name) for name in names]) if names else []
        # A status may expire before its worker's name leaves the sorted set.
        return [Worker.model_validate_json(worker) for worker in statuses if worker is not None]

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
