"""The record in Redis: everything that Redis is told about runs is told here."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from itertools import islice
from typing import Any, Literal

from redis import Redis
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from bakehouse.runs import wire
from bakehouse.runs.clock import monotonic_ms
from bakehouse.runs.commands import Claim, Command, actor_of
from bakehouse.runs.errors import (
    CursorNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    RecordUnreadable,
    RunHasDependants,
    RunNotFound,
    SourceRunDeleted,
)
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.record import Created, Idempotency, Owner, Record, queue_place
from bakehouse.runs.run import Event, Page, Run, Status, Worker
from bakehouse.runs.transitions import KEEP_REPLACED_MS, reduce, submit
from bakehouse.runs.wire import change, creation, deletion

COMMIT = files("bakehouse.runs").joinpath("commit.lua").read_text()
CHUNK = 200
# Clocks drift: after this time Redis is asked again.
TRUSTED_MS = 10_000
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def connect(url: str, *, patient: bool) -> Redis:
    """A client. Patient ones (workers, supervisors) wait for Redis without limit; others try twice within 2 s.

    A retry after a lost reply is harmless: the script knows its writes by their tokens.
    """
    if patient:
        forever = Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=-1)
        return Redis.from_url(url, retry=forever, socket_timeout=10.0, socket_connect_timeout=2.0)
    once_more = Retry(ConstantBackoff(0.1), retries=1)
    return Redis.from_url(url, retry=once_more, socket_timeout=0.6, socket_connect_timeout=0.6)


class Store:
    """The runs of one tenant. Safe to share between threads."""

    def __init__(self, redis: Redis, tenant: str = "local", lease_seconds: float = 10.0) -> None:
        self._redis = redis
        self._keys = Keys(tenant)
        self._lease_ms = round(lease_seconds * 1000)
        self._script = redis.register_script(COMMIT)
        self._ahead_ms, self._heard_ms = 0, -TRUSTED_MS

    # Writing

    def create(self, run: Run, *, idempotency: Idempotency | None = None) -> Created:
        """Stores a queued run with its indexes, its key and its first events, or nothing."""
        key = digest(idempotency.key) if idempotency else None
        record, events = submit(run, idempotency=key, now=self.now())
        reply = self._send(creation(self._keys, record, events, idempotency))
        if idempotency and reply.outcome == "held":
            return self._replayed(idempotency, reply.payload)
        if reply.outcome == "gone":
            raise SourceRunDeleted(wire.text(reply.payload))
        return Created(self._public([record])[0], replayed=False)

    def first_answer(self, idempotency: Idempotency) -> Created | None:
        """What the same key made before."""
        held = self._redis.get(self._keys.idempotency(digest(idempotency.key)))
        return None if held is None else self._replayed(idempotency, held)

    def _replayed(self, idempotency: Idempotency, payload: Any) -> Created:
        held = json.loads(payload)
        if held["body_sha256"] != idempotency.body_sha256:
            raise IdempotencyMismatch(idempotency.key)
        return Created(self.get(held["run_id"]), replayed=True)

    def command(self, run_id: str, command: Command) -> Record:
        """Reads the run and does what the command says."""
        return self.commit(self.record(run_id), command)

    def commit(self, record: Record, command: Command) -> Record:
        """Does what the command says to a record in hand; one that has changed since is read again.

        The owner's way: it learns of a request by the conflict, and of a new owner by OwnershipLost.
        """
        while True:
            after, events = reduce(record, command, self.now())
            if after is record:
                return record
            reply = self._send(change(self._keys, record, after, events, actor_of(command)))
            match reply.outcome:
                case "done":
                    return after.model_copy(update={"token": reply.token, "seq": reply.seq})
                case "repeated":
                    return wire.decode(wire.pairs(reply.payload))
                case "absent":
                    raise RunNotFound(record.id)
                case _:
                    record = wire.decode(wire.pairs(reply.payload))

    def claim(self, owner: Owner, *, fits: Callable[[Record], bool] = lambda record: True) -> Record | None:
        """The first waiting run that fits becomes the owner's; None if there is none."""
        for run_id in self._waiting():
            try:
                record = self.record(run_id)
                if record.status == "queued" and fits(record):
                    return self.commit(record, Claim(owner, self._lease_ms))
            except (RunNotFound, IllegalTransition, RecordUnreadable):
                continue  # somebody was faster, or another version's worker has to take it
        return None

    def delete(self, run_id: str) -> None:
        """Removes every key of a run that is over and that no other builds on; its files are the caller's."""
        while True:
            record = self.record(run_id)
            if not record.is_over:
                raise IllegalTransition(run_id, status=record.status, request=record.request, asked="deleted")
            reply = self._send(deletion(self._keys, record))
            if reply.outcome == "needed":
                raise RunHasDependants(run_id, tuple(wire.texts(reply.payload)))
            if reply.outcome != "conflict":
                return

    def _send(self, write: wire.Write) -> wire.Reply:
        keys = [self._keys.run(write.run_id), self._keys.log(write.run_id), self._keys.changes(), self._keys.runs()]
        if write.claim:
            keys.append(self._keys.idempotency(write.claim[0]))
        token = secrets.token_hex(16)
        outcome, milliseconds, seq, payload = self._script(keys, [wire.script_argument(write, token)])
        self._set_clock(milliseconds)
        return wire.Reply(wire.text(outcome), token, seq, payload)  # type: ignore[arg-type]

    # Time

    def now(self) -> int:
        """Redis's clock in milliseconds: as last heard, plus what this machine's has counted since."""
        if monotonic_ms() - self._heard_ms > TRUSTED_MS:
            return self.time_ms()
        return self._ahead_ms + monotonic_ms()

    def time_ms(self) -> int:
        """Redis's clock in milliseconds."""
        seconds, microseconds = self._redis.time()
        self._set_clock(seconds * 1000 + microseconds // 1000)
        return self._ahead_ms + monotonic_ms()

    def _set_clock(self, milliseconds: int) -> None:
        self._heard_ms = monotonic_ms()
        self._ahead_ms = milliseconds - self._heard_ms

    # Reading

    def get(self, run_id: str) -> Run:
        """The run as everybody sees it."""
        return self._public([self.record(run_id)])[0]

    def record(self, run_id: str) -> Record:
        """The run with what workers and supervisors need."""
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
        return [record.public(now, place) for record, place in zip(records, places, strict=True)]

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
        """Runs that match all filters, newest first: those older than `after`, or those newer than `before`."""
        fields = {"status": status, "dataset": dataset, "architecture": architecture, "recipe_sha256": recipe_sha256}
        filters = self._keys.filters(fields, labels or {})
        matching = self._matching(filters, after=after, before=before)
        found = list(islice(matching, limit + 1))
        ids = found[:limit] if before is None else found[:limit][::-1]
        runs = self._public(self._records(ids))
        first, last = (runs[0].id, runs[-1].id) if runs else (None, None)
        return Page(data=tuple(runs), has_more=len(found) > limit, first_id=first, last_id=last)

    def _matching(self, filters: list[str], *, after: str | None, before: str | None) -> Iterator[str]:
        """Ids from the cursor on: walks the smallest index and asks the others."""
        smallest, *others = sorted(filters, key=self._redis.zcard) or [self._keys.runs()]
        start = self._bound(after, "after") or self._bound(before, "before")
        while chunk := self._chunk(smallest, start, newest_first=before is None):
            ids = [wire.text(run_id) for run_id, _ in chunk]
            with self._redis.pipeline(transaction=False) as pipeline:
                for other in others:
                    pipeline.zmscore(other, ids)
                scores = pipeline.execute()
            yield from (run_id for run_id, *found in zip(ids, *scores, strict=True) if None not in found)
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
            hashes = [fields for fields in pipeline.execute() if fields]
        return [record for fields in hashes if (record := wire.readable(fields)) is not None]

    # Logs

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """The run's events beyond `after`, in order."""
        entries: Any = self._redis.xrange(self._keys.log(run_id), f"{after + 1}-0", "+", limit)
        if not entries:
            self.head(run_id)
        return [wire.parse_event(entry_id, fields) for entry_id, fields in entries]

    def head(self, run_id: str) -> int:
        """The number of the run's latest event."""
        seq = self._redis.hget(self._keys.run(run_id), "seq")
        if seq is None:
            raise RunNotFound(run_id)
        return int(seq)

    def last_change(self) -> str:
        """The id of the newest change; a reader that starts here misses nothing."""
        entries: Any = self._redis.xrevrange(self._keys.changes(), count=1)
        return wire.text(entries[0][0]) if entries else "0-0"

    def changes(self, after_id: str, *, block_ms: int, count: int = 1000) -> list[wire.Change]:
        """Changes of all runs beyond an id; waits up to `block_ms`, which must be below the client's timeout."""
        answer: Any = self._redis.xread({self._keys.changes(): after_id}, count=count, block=block_ms)
        return [wire.parse_change(entry_id, fields) for _, entries in answer or () for entry_id, fields in entries]

    # What waits, who works

    def claimable_count(self) -> int:
        """How many runs wait for a worker."""
        return self._redis.zcard(self._keys.claimable())

    def waiting(self, limit: int = 100) -> list[str]:
        """Waiting runs in the order in which they are claimed."""
        return list(islice(self._waiting(), limit))

    def _waiting(self) -> Iterator[str]:
        start = 0
        while ids := wire.texts(self._redis.zrange(self._keys.claimable(), start, start + CHUNK - 1)):
            yield from ids
            start += CHUNK

    def owned(self) -> Iterator[Record]:
        """Runs that have an owner, the oldest lease first."""
        for run_id in wire.texts(self._redis.zrange(self._keys.leases(), 0, -1)):
            with suppress(RunNotFound, RecordUnreadable):
                yield self.record(run_id)

    def forgettable(self, now: int) -> list[str]:
        """Runs with checkpoints that were replaced long enough ago to go."""
        return wire.texts(self._redis.zrangebyscore(self._keys.replaced(), "-inf", now - KEEP_REPLACED_MS))

    def put_worker(self, worker: Worker, ttl: float) -> None:
        """What a worker says of itself; forgotten after `ttl` seconds."""
        now, ttl_ms = self.now(), round(ttl * 1000)
        with self._redis.pipeline() as pipeline:
            pipeline.set(self._keys.worker(worker.name), worker.model_dump_json(), px=ttl_ms)
            pipeline.zremrangebyscore(self._keys.workers(), "-inf", now)
            pipeline.zadd(self._keys.workers(), {worker.name: now + ttl_ms})
            pipeline.execute()

    def remove_worker(self, name: str) -> None:
        """A worker that has ended in order is not waited for."""
        with self._redis.pipeline() as pipeline:
            pipeline.delete(self._keys.worker(name))
            pipeline.zrem(self._keys.workers(), name)
            pipeline.execute()

    def workers(self) -> list[Worker]:
        """Workers that were heard of lately, by name."""
        names = sorted(wire.texts(self._redis.zrange(self._keys.workers(), 0, -1)))
        said = self._redis.mget([self._keys.worker(name) for name in names]) if names else []
        return [Worker.model_validate_json(worker) for worker in said if worker is not None]

    # The folder of the runs' files

    def marker(self) -> str | None:
        """What `name_marker` wrote, if anybody has."""
        named = self._redis.get(self._keys.marker())
        return None if named is None else wire.text(named)

    def name_marker(self, text: str) -> None:
        """Names the folder that holds the runs' files; the first service to do so wins."""
        self._redis.set(self._keys.marker(), text, nx=True)

    # Redis itself

    def ping(self) -> None:
        """Raises redis's ConnectionError or TimeoutError where there is no Redis."""
        self._redis.ping()

    def check_durability(self) -> list[str]:
        """What is wrong with Redis's settings: with these alone, accepted means kept."""
        try:
            present = {name: self._redis.config_get(name).get(name) for name in DURABLE}
        except ResponseError as error:
            return [f"Redis does not show its settings: {error}"]
        return [
            f"Redis has {name} {present[name]}; it must be {wanted}"
            for name, wanted in DURABLE.items()
            if present[name] != wanted
        ]
