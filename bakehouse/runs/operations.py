"""Writes of runs, without a connection to Redis.

An operation is a generator: it yields calls that Redis gets together, receives their replies, and returns its result.
`Store` carries operations out with a client that blocks, `AsyncStore` in an event loop.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import methodcaller

from bakehouse.runs import wire
from bakehouse.runs.commands import Command, OwnerCommand, actor_of
from bakehouse.runs.errors import (
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
from bakehouse.runs.measurements import Measurement
from bakehouse.runs.reads import Reads
from bakehouse.runs.record import FORMAT, CreatedExperiment, Idempotency, Record
from bakehouse.runs.run import Run
from bakehouse.runs.scripts import COMMIT, Operation, call_script
from bakehouse.runs.shown import CreatedRun, shown_run
from bakehouse.runs.transitions import reduce, submit
from bakehouse.runs.writes import Asked, Reply, Write, adoption, archival, change, creation, deletion, script_arguments

NewRun = tuple[Run, wire.Texts]
"""A run that is not stored yet, and those of its fields whose JSON is known."""
NO_ANSWER: Mapping[str, str] = {}


class Operations:
    """The writes of the runs of one tenant; `reads` has the reads."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.reads = Reads(keys)
        # The number of workers when the latest run was created.
        self.workers = 0

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
        record, events = submit(run, idempotency=key, now=(yield from self.reads.now()))
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
                return CreatedRun((yield from self.reads.show(run.id)), replayed=False)
            case _:
                workers, place = reply.payload
                self.workers = workers
                shown = shown_run(write.fields, wire.place_in(place, workers, self.reads.trusted_pace()))
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
        return CreatedRun((yield from self.reads.show(first["run_id"])), replayed=True)

    def first_experiment(self, idempotency: Idempotency) -> Operation[CreatedExperiment | None]:
        """Returns the experiment that the same idempotency key created before, if any."""
        (value,) = yield [methodcaller("get", self._keys.idempotency(digest(idempotency.key)))]
        return None if value is None else CreatedExperiment(first_answer(idempotency, value)["experiment"], True)

    def command(self, run_id: str, command: Command) -> Operation[Record]:
        """Reads a run's record and applies a command to it."""
        return (yield from self.commit((yield from self.reads.record(run_id)), command))

    def commit(self, record: Record, command: Command) -> Operation[Record]:
        """Applies a command to a record and returns the result; if the record was changed meanwhile, applies it to the
        changed record instead.

        Owners call this: the returned record shows them new requests. OwnershipLost tells them of a new owner, or that
        Redis lost what they wrote: what follows it must not be written then.
        """
        # The number of tries has no limit, because every conflict means that another writer has made progress.
        while True:
            after, events = reduce(record, command, (yield from self.reads.now()))
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
            now = yield from self.reads.now()
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
            record = yield from self.reads.record(run_id)
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
            record = yield from self.reads.record(run_id)
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
        (reply,) = yield from call_script([], COMMIT, keys, arguments)
        outcome, milliseconds, seq, payload = reply
        self.reads.clock.set(milliseconds)
        return Reply(wire.text(outcome), token, seq, payload)  # type: ignore[arg-type]


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
