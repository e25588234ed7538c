"""Reads and writes of runs, without a connection to Redis.

An operation is a generator: it yields calls that Redis gets together, receives their replies, and returns its result.
`Store` carries operations out with a client that blocks, `AsyncStore` in an event loop.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from itertools import chain
from operator import methodcaller
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from redis.exceptions import NoScriptError

from bakehouse.runs import wire
from bakehouse.runs.clock import RedisClock, monotonic_ms
from bakehouse.runs.commands import Command, OwnerCommand, actor_of
from bakehouse.runs.durations import Capacity
from bakehouse.runs.errors import (
    CursorNotFound,
    DatasetDeleted,
    ExperimentChanged,
    ExperimentHeld,
    IdempotencyMismatch,
    IllegalTransition,
    OwnershipLost,
    RecordUnreadable,
    RunHasDependants,
    RunNotFound,
    RunReplaced,
    SourceRunDeleted,
)
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.measurements import Measurement, read_measurements
from bakehouse.runs.pace import TRUSTED_MS, Pace, read_pace
from bakehouse.runs.record import FORMAT, CreatedExperiment, Idempotency, Record
from bakehouse.runs.run import QueuePlace, Run
from bakehouse.runs.shown import CreatedRun, ShownPage, ShownRun, shown_run
from bakehouse.runs.status import Status
from bakehouse.runs.transitions import reduce, submit
from bakehouse.runs.writes import Asked, Reply, Write, adoption, archival, change, creation, deletion, script_arguments

SCRIPTS = files("bakehouse.runs")


class Script:
    """A Lua script. Redis remembers it by a digest; only a Redis that has never seen the script needs its text."""

    def __init__(self, name: str) -> None:
        self.text = "\n".join(SCRIPTS.joinpath(each).read_text() for each in ("queue.lua", name))
        self.sha1 = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


COMMIT = Script("commit.lua")
PLACES = Script("places.lua")
# Number of runs that one read of an index returns if they must be looked up in other indexes.
CHUNK = 200

Result = TypeVar("Result")
Call = Callable[[Any], object]
"""Adds one command to a pipeline; the pipelines of both kinds of clients have methods of the same names."""
NewRun = tuple[Run, wire.Texts]
"""A run that is not stored yet, and those of its fields whose JSON is known."""
Operation = Generator[Sequence[Call], list[Any], Result]
"""Yields calls, receives their replies, returns the result. An error reply is raised at the `yield`."""

log = logging.getLogger(__name__)


NO_ANSWER: Mapping[str, str] = {}


class Filters(TypedDict, total=False):
    """The choice of a page of the list of runs."""

    ids: Sequence[str]
    status: Status | None
    labels: Mapping[str, str]
    dataset: str | None
    architecture: str | None
    recipe_sha256: str | None
    experiment: str | None
    after: str | None
    before: str | None
    limit: int


class Operations:
    """The operations on the runs of one tenant."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.clock = RedisClock()
        self._pace: Pace | None = None
        self._pace_read_ms = -TRUSTED_MS
        # The number of workers when the latest run was created.
        self.workers = 0

    # Writing

    def create(
        self,
        run: Run,
        *,
        idempotency: Idempotency | None = None,
        known: wire.Texts = wire.NOTHING,
        experiment: Write | None = None,
    ) -> Operation[CreatedRun]:
        """Stores a queued run with its indexes, its idempotency key and its first events, either all or none.

        `known` are fields of the run whose JSON the caller has already; `experiment` changes the run's experiment with
        it. Raises ExperimentChanged if the experiment was changed since or deleted, and RunReplaced if another run has
        replaced its parent run there.
        """
        key = digest(idempotency.key) if idempotency else None
        record, events = submit(run, idempotency=key, now=(yield from self.now()))
        write = creation(self._keys, record, events, known)
        if run.experiment is not None:
            cell = run.experiment.id
            write = replace(write, sources={**write.sources, cell: self._keys.experiment(cell)})
        writes = [write] if experiment is None else [write, experiment]
        reply = yield from self._write(writes, idempotency, {"run_id": run.id})
        match reply.outcome:
            case "replayed":
                assert idempotency is not None
                return (yield from self._replay(idempotency, reply.payload))
            case "source_missing":
                raise deleted_source(wire.text(reply.payload))
            case "replaced":
                assert run.parent_run is not None
                raise RunReplaced(run.parent_run, wire.text(reply.payload))
            case "conflict" | "absent" if experiment is not None:
                raise ExperimentChanged(experiment.run_id)
            # The reply of the first try was lost, so the place in the queue has to be read.
            case "repeated":
                return CreatedRun((yield from self.show(run.id)), replayed=False)
            case _:
                workers, place = reply.payload
                self.workers = workers
                shown = shown_run(write.fields, wire.place_in(place, workers, self._trusted_pace()))
                return CreatedRun(shown, replayed=False)

    def new_runs(self, runs: Iterable[NewRun], now: int) -> list[Write]:
        """Describes the writes of queued runs, which takes about 0.1 ms each."""
        submitted = [(submit(run, idempotency=None, now=now), known) for run, known in runs]
        return [creation(self._keys, record, events, known) for (record, events), known in submitted]

    def create_many(
        self, runs: Sequence[Write], *, experiment: Write, idempotency: Idempotency | None = None
    ) -> Operation[CreatedExperiment]:
        """Stores runs and what they change in the record of their experiment, either all or nothing.

        Raises ExperimentChanged if the experiment is not as the write expects it.
        """
        reply = yield from self._write([experiment, *runs], idempotency, {"experiment": experiment.run_id})
        match reply.outcome:
            case "replayed":
                assert idempotency is not None
                first = first_answer(idempotency, reply.payload)
                return CreatedExperiment(first["experiment"], replayed=True)
            case "source_missing":
                raise deleted_source(wire.text(reply.payload))
            case "conflict" | "absent" | "active":
                raise ExperimentChanged(experiment.run_id)
            case _:
                return CreatedExperiment(experiment.run_id, replayed=False)

    def first_answer(self, idempotency: Idempotency) -> Operation[CreatedRun | None]:
        """Returns the run that the same idempotency key created before, if any."""
        key = self._keys.idempotency(digest(idempotency.key))
        (value,) = yield [methodcaller("get", key)]
        return None if value is None else (yield from self._replay(idempotency, value))

    def _replay(self, idempotency: Idempotency, payload: wire.Text) -> Operation[CreatedRun]:
        first = first_answer(idempotency, payload)
        return CreatedRun((yield from self.show(first["run_id"])), replayed=True)

    def first_experiment(self, idempotency: Idempotency) -> Operation[CreatedExperiment | None]:
        """Returns the experiment that the same idempotency key created before, if any."""
        (value,) = yield [methodcaller("get", self._keys.idempotency(digest(idempotency.key)))]
        return None if value is None else CreatedExperiment(first_answer(idempotency, value)["experiment"], True)

    def command(self, run_id: str, command: Command) -> Operation[Record]:
        """Reads a run's record and applies a command to it."""
        return (yield from self.commit((yield from self.record(run_id)), command))

    def commit(self, record: Record, command: Command) -> Operation[Record]:
        """Applies a command to a record and returns the result; if the record was changed meanwhile, applies it to the
        changed record instead.

        Owners call this: the returned record shows them new requests. OwnershipLost tells them of a new owner, or that
        Redis lost what they wrote: what follows it must not be written then.
        """
        # The number of tries has no limit, because every conflict means that another writer has made progress.
        while True:
            after, events = reduce(record, command, (yield from self.now()))
            # The reducer returns the same object if nothing changes; then Redis need not be asked.
            if after is record:
                return record
            reply = yield from self._write([change(self._keys, record, after, events, actor_of(command))])
            match reply.outcome:
                case "done":
                    return after.model_copy(update={"token": reply.token, "seq": reply.seq, "format": FORMAT})
                case "repeated":
                    return wire.decode(wire.pairs(reply.payload))
                case "absent":
                    raise OwnershipLost(record.id) if isinstance(command, OwnerCommand) else RunNotFound(record.id)
                case "held":
                    assert record.experiment is not None
                    raise ExperimentHeld(record.id, record.experiment.id)
                # After a conflict the reply contains the changed record, so it need not be read again.
                case _:
                    changed = wire.decode(wire.pairs(reply.payload))
                    if isinstance(command, OwnerCommand) and changed.lacks(record):
                        raise OwnershipLost(record.id)
                    record = changed

    def command_all(self, ids: Sequence[str], command: Command, asked: Asked | None = None) -> Operation[list[Record]]:
        """Applies a command to many runs, from the oldest to the youngest, in one write; leaves out those that are gone
        or do not allow it. Runs that were changed meanwhile are read again, and follow in another write.

        Returns the records that it has changed; after a lost reply perhaps not all of them. Changes nothing if the
        experiment is not asked for this any more.
        """
        left = list(ids)
        changed: dict[str, Record] = {}
        while left:
            hashes = yield [methodcaller("hgetall", self._keys.run(run_id)) for run_id in left]
            now = yield from self.now()
            writes = []
            for fields in filter(None, hashes):
                with suppress(IllegalTransition, RecordUnreadable):
                    record = wire.decode(fields)
                    after, events = reduce(record, command, now)
                    if after is not record:
                        writes.append(change(self._keys, record, after, events, actor_of(command)))
                        changed[after.id] = after
            if not writes:
                break
            reply = yield from self._write(writes, skips=True, asked=asked)
            match reply.outcome:
                case "asked_otherwise":
                    return []
                # The reply to the first try was lost, so all of them are read again.
                case "repeated":
                    continue
                case _:
                    left = wire.texts(reply.payload)
        return list(changed.values())

    def delete_all(self, ids: Sequence[str]) -> Operation[list[str]]:
        """Removes every key of many runs, from the youngest to the oldest, in one write, and notes that their files are
        to be deleted; leaves out those that are not over, or that other runs build on. Returns the runs that are
        gone."""
        left = list(ids)
        while left:
            hashes = yield [methodcaller("hgetall", self._keys.run(run_id)) for run_id in left]
            writes = []
            for fields in filter(None, hashes):
                with suppress(RecordUnreadable):
                    record = wire.decode(fields)
                    if record.is_over:
                        writes.append(deletion(self._keys, record, notes_files=True))
            if not writes:
                break
            reply = yield from self._write(writes, skips=True)
            # A rename in the meantime changes the indexes that list a run, so its record is read again.
            left = wire.texts(reply.payload)
        there = (yield [methodcaller("exists", self._keys.run(run_id)) for run_id in ids]) if ids else []
        return [run_id for run_id, exists in zip(ids, there, strict=True) if not exists]

    def delete(self, run_id: str) -> Operation[None]:
        """Removes every key of a run that is over and that no other run builds on; the caller deletes its files."""
        while True:
            record = yield from self.record(run_id)
            if not record.is_over:
                raise IllegalTransition(run_id, status=record.status, request=record.request, asked="deleted")
            reply = yield from self._write([deletion(self._keys, record)])
            if reply.outcome == "has_dependants":
                raise RunHasDependants(run_id, tuple(wire.texts(reply.payload)))
            # A rename in the meantime changes the indexes that list the run, so its record is read again.
            if reply.outcome != "conflict":
                return

    def adopt(self, run_id: str) -> Operation[None]:
        """Gives a turn to a waiting run that an earlier version queued, unless somebody changes it meanwhile."""
        try:
            record = yield from self.record(run_id)
        except RunNotFound:
            record = None
        if record is None or record.status != "queued":
            yield [methodcaller("zrem", self._keys.claimable_before(), run_id)]
        else:
            yield from self._write([adoption(self._keys, record)])

    def archive(self, run_id: str, *, seq: int) -> Operation[bool]:
        """Packs the record of a finished run, and deletes its log. Returns False, and changes nothing, if the log has
        not `seq` events, or if the record was changed meanwhile."""
        (fields,) = yield [methodcaller("hgetall", self._keys.run(run_id))]
        if not fields:
            raise RunNotFound(run_id)
        record = wire.decode(fields)
        if record.archived:
            return True
        if not record.is_over or record.seq != seq:
            return False
        reply = yield from self._write([archival(self._keys, record, wire.decoded(fields))])
        return reply.outcome in ("done", "repeated")

    def largest_memory(self) -> Operation[int | None]:
        """Returns the memory of the worker that has the most; None if no worker has been seen yet."""
        (names,) = yield [methodcaller("zrange", self._keys.workers(), 0, -1)]
        if not names:
            return None
        (statuses,) = yield [methodcaller("mget", [self._keys.worker(wire.text(name)) for name in names])]
        # A status may expire before its worker's name leaves the sorted set.
        return max((json.loads(status)["memory_bytes"] for status in statuses if status is not None), default=None)

    def capacity(self) -> Operation[Capacity]:
        """Returns the devices of the workers that are here, and what was measured on them."""
        now = yield from self.now()
        (names,) = yield [methodcaller("zrangebyscore", self._keys.workers(), now, "+inf")]
        if not names:
            return Capacity((), ())
        (statuses,) = yield [methodcaller("mget", [self._keys.worker(wire.text(name)) for name in names])]
        devices = [json.loads(status)["device"] for status in statuses if status is not None]
        stored = yield [methodcaller("hvals", self._keys.measurements(device)) for device in sorted(set(devices))]
        return Capacity(devices, tuple(read_measurements(chain.from_iterable(stored))))

    def add_measurement(self, measurement: Measurement) -> Operation[None]:
        """Keeps what a worker measured, in place of an earlier measurement in the same slot."""
        key = self._keys.measurements(measurement.device)
        yield [methodcaller("hset", key, measurement.slot, measurement.model_dump_json())]

    def _write(
        self,
        writes: Sequence[Write],
        idempotency: Idempotency | None = None,
        answer: Mapping[str, str] = NO_ANSWER,
        *,
        skips: bool = False,
        asked: Asked | None = None,
    ) -> Operation[Reply]:
        # If the client repeats the call after a lost reply, it sends the same token, and the script recognizes it.
        token = secrets.token_hex(16)
        value = json.dumps({**answer, "body_sha256": idempotency.body_sha256}) if idempotency else ""
        keys = self._keys.of_script(digest(idempotency.key) if idempotency else None)
        arguments = script_arguments(writes, token, value, skips=skips, asked=asked)
        (reply,) = yield from self._call([], COMMIT, keys, arguments)
        outcome, milliseconds, seq, payload = reply
        self.clock.set(milliseconds)
        return Reply(wire.text(outcome), token, seq, payload)  # type: ignore[arg-type]

    def _call(
        self, calls: Sequence[Call], script: Script, keys: Sequence[str], arguments: Sequence[str]
    ) -> Operation[list[Any]]:
        """Makes some calls, and then a call of a script; returns the replies."""
        try:
            return (yield [*calls, methodcaller("evalsha", script.sha1, len(keys), *keys, *arguments)])
        except NoScriptError:
            return (yield [*calls, methodcaller("eval", script.text, len(keys), *keys, *arguments)])

    # Time

    def now(self) -> Operation[int]:
        """Returns Redis's time in milliseconds, which is read again every ten seconds."""
        if self.clock.must_be_read:
            return (yield from self.time_ms())
        return self.clock.now()

    def time_ms(self) -> Operation[int]:
        """Reads Redis's time in milliseconds."""
        ((seconds, microseconds),) = yield [methodcaller("time")]
        self.clock.set(seconds * 1000 + microseconds // 1000)
        return self.clock.now()

    # Reading

    def record(self, run_id: str) -> Operation[Record]:
        """Returns the run with the fields that workers and supervisors need."""
        key = self._keys.run(run_id)
        (fields,) = yield [methodcaller("hgetall", key)]
        if not fields:
            raise RunNotFound(run_id)
        return wire.decode(fields)

    def show(self, run_id: str) -> Operation[ShownRun]:
        """Returns the run as clients see it."""
        (fields,), (place,) = yield from self._read_runs([run_id])
        if not fields:
            raise RunNotFound(run_id)
        return shown_run(wire.decoded(fields), place)

    def _show_all(self, ids: Sequence[str]) -> Operation[list[ShownRun]]:
        """Returns the runs with these ids, without those that have been deleted or that this version cannot read."""
        hashes, places = yield from self._read_runs(ids)
        runs = []
        for fields, place in zip(hashes, places, strict=True):
            try:
                # A run may have been deleted since its id was read.
                if fields:
                    runs.append(shown_run(wire.decoded(fields), place))
            except RecordUnreadable as error:
                # One unreadable run must not make a whole list of runs fail.
                log.warning("%s", error)
        return runs

    def _read_runs(self, ids: Sequence[str]) -> Operation[tuple[list[Any], list[QueuePlace | None]]]:
        """Returns for each run its hash and its place in the queue."""
        now = yield from self.now()
        hashes = [methodcaller("hgetall", self._keys.run(run_id)) for run_id in ids]
        calls = [methodcaller("zcount", self._keys.workers(), now, "+inf"), *hashes]
        workers, *found, places = yield from self._call(calls, PLACES, self._keys.of_queue(), self._of_places(ids))
        return found, (yield from self._describe(places, workers))

    def _of_places(self, ids: Sequence[str]) -> list[str]:
        return [text for run_id in ids for text in (self._keys.run(run_id), run_id)]

    def places(self, ids: Sequence[str]) -> Operation[list[QueuePlace | None]]:
        """Returns for each run its place in the queue; None if the run does not wait."""
        now = yield from self.now()
        calls = [methodcaller("zcount", self._keys.workers(), now, "+inf")]
        workers, places = yield from self._call(calls, PLACES, self._keys.of_queue(), self._of_places(ids))
        return (yield from self._describe(places, workers))

    def _describe(self, places: Sequence[Any], workers: int) -> Operation[list[QueuePlace | None]]:
        """Describes places in the queue, with the time at which their runs start."""
        pace = self._trusted_pace()
        if pace is None and any(places):
            pace = self._pace = yield from self._read_pace(workers)
            self._pace_read_ms = monotonic_ms()
        return [wire.place_in(place, workers, pace) for place in places]

    def _trusted_pace(self) -> Pace | None:
        """Returns the pace if it was read recently."""
        return self._pace if monotonic_ms() - self._pace_read_ms <= TRUSTED_MS else None

    def _read_pace(self, workers: int) -> Operation[Pace | None]:
        (ids,) = yield [methodcaller("zrange", self._keys.leases(), 0, -1)]
        keys = [self._keys.run(wire.text(run_id)) for run_id in ids]
        trained = (yield [methodcaller("hmget", key, "progress", "seconds") for key in keys]) if keys else []
        return read_pace(trained, workers)

    def page(self, **filters: Unpack[Filters]) -> Operation[ShownPage]:
        """Returns the runs that match all filters, newest first: older than `after`, or newer than `before`."""
        after = filters.get("after")
        before = filters.get("before")
        limit = filters.get("limit", 20)
        fields = {
            "status": filters.get("status"),
            "dataset": filters.get("dataset"),
            "architecture": filters.get("architecture"),
            "recipe_sha256": filters.get("recipe_sha256"),
            "experiment": filters.get("experiment"),
        }
        indexes = self._keys.filters(fields, filters.get("labels", {}))
        # One run more than asked for shows whether there are further runs.
        if ids := filters.get("ids"):
            found = yield from self._listed(ids, indexes)
        else:
            found = yield from self._matching(indexes, after=after, before=before, wanted=limit + 1)
        # Runs that are newer than a cursor are found oldest first, but every page lists the newest first.
        ids = found[:limit] if before is None else found[:limit][::-1]
        runs = (yield from self._show_all(ids)) if ids else []
        return ShownPage(runs, has_more=len(found) > limit)

    def _matching(
        self, filters: list[str], *, after: str | None, before: str | None, wanted: int
    ) -> Operation[list[str]]:
        """Goes through the smallest index, starting at the cursor, and looks its runs up in the other indexes."""
        smallest, *others = yield from self._by_size(filters)
        start = (yield from self._bound(after, "after")) or (yield from self._bound(before, "before"))
        # Without other indexes every run matches.
        size = CHUNK if others else wanted
        found: list[str] = []
        while len(found) < wanted:
            chunk = yield from self._chunk(smallest, start, size, newest_first=before is None)
            ids = [wire.text(run_id) for run_id, _ in chunk]
            scores = (yield [methodcaller("zmscore", other, ids) for other in others]) if ids and others else []
            found += [run_id for run_id, *listed in zip(ids, *scores, strict=True) if None not in listed]
            if len(chunk) < size:
                break
            # Each run has its own score in these indexes, so the exclusive bound neither repeats nor skips a run.
            start = f"({chunk[-1][1]:.0f}"
        return found[:wanted]

    def _listed(self, ids: Sequence[str], filters: list[str]) -> Operation[list[str]]:
        """Returns those of the runs that exist and are in all indexes, newest first."""
        scores = yield [methodcaller("zmscore", index, ids) for index in (self._keys.runs(), *filters)]
        found = [(row[0], run_id) for run_id, *row in zip(ids, *scores, strict=True) if None not in row]
        return [run_id for _, run_id in sorted(found, reverse=True)]

    def _by_size(self, filters: list[str]) -> Operation[list[str]]:
        """Returns the indexes, the smallest first; without filters, the index of all runs."""
        if len(filters) < 2:
            return filters or [self._keys.runs()]
        sizes = yield [methodcaller("zcard", index) for index in filters]
        return [index for _, index in sorted(zip(sizes, filters, strict=True))]

    def _bound(self, cursor: str | None, parameter: Literal["after", "before"]) -> Operation[str | None]:
        if cursor is None:
            return None
        (score,) = yield [methodcaller("zscore", self._keys.runs(), cursor)]
        if score is None:
            raise CursorNotFound(cursor, parameter)
        return f"({score:.0f}"

    def _chunk(
        self, index: str, start: str | None, size: int, *, newest_first: bool
    ) -> Operation[list[tuple[wire.Text, float]]]:
        if newest_first:
            bounds = ("zrevrangebyscore", index, start or "+inf", "-inf")
        else:
            bounds = ("zrangebyscore", index, start or "-inf", "+inf")
        (chunk,) = yield [methodcaller(*bounds, 0, size, withscores=True)]
        return list(chunk)


def first_answer(idempotency: Idempotency, value: wire.Text) -> dict[str, str]:
    """Returns what the first request with an idempotency key created. Raises IdempotencyMismatch for another body."""
    first: dict[str, str] = json.loads(value)
    if first["body_sha256"] != idempotency.body_sha256:
        raise IdempotencyMismatch(idempotency.key)
    return first


def deleted_source(source: str) -> DatasetDeleted | SourceRunDeleted | ExperimentChanged:
    """Returns the error of a new run whose source, or whose experiment, was deleted meanwhile."""
    if source.startswith("exp_"):
        return ExperimentChanged(source)
    return DatasetDeleted(source) if "@" in source else SourceRunDeleted(source)
