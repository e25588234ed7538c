"""Writes and reads experiments in Redis."""

import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from redis import Redis

from bakehouse.experiments.errors import ExperimentNotFound, ExperimentUnreadable, RunInExperiment
from bakehouse.experiments.experiment import (
    Brief,
    Experiment,
    ExperimentPage,
    ExperimentRecord,
    ExperimentRun,
    PlacedRun,
    brief_of,
    shown,
    status_of,
)
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.record_fields import Fields, experiment_runs, fields_of, placed, record_in
from bakehouse.experiments.reuse import READ, Machine, is_reusable, machines
from bakehouse.experiments.supervisors import Supervisors
from bakehouse.runs import wire
from bakehouse.runs.commands import ChangePriority, Command
from bakehouse.runs.errors import ExperimentChanged
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.record import CreatedExperiment, Idempotency, Record, random_characters, rfc3339
from bakehouse.runs.run import Run
from bakehouse.runs.status import TERMINAL, Request, Status
from bakehouse.runs.store import Store
from bakehouse.runs.wire import Texts
from bakehouse.runs.writes import Asked, Write, experiment_write

log = logging.getLogger(__name__)

EXPERIMENT_ID = re.compile(r"exp_[0-9a-z]{12}")
STATUSES: tuple[Status, ...] = get_args(Status)
# Number of runs that are read in one round trip.
CHUNK = 200
# Runs of one recipe that are looked at for one that can be used again.
CANDIDATES = 5


def new_experiment_id() -> str:
    """Returns `exp_` followed by 12 random characters."""
    return "exp_" + random_characters()


class ExperimentStore:
    """Stores the experiments of one tenant. Can be shared between threads."""

    def __init__(self, redis: Redis, store: Store, tenant: str = "local") -> None:
        self._redis = redis
        self._keys = Keys(tenant)
        self._store = store
        self.supervisors = Supervisors(redis, self._keys, store)

    # Writing

    def create(
        self, record: ExperimentRecord, runs: Sequence[tuple[Run, Texts]], idempotency: Idempotency | None = None
    ) -> CreatedExperiment:
        """Stores an experiment and its queued runs, either all or nothing."""
        now = rfc3339(self._store.now())
        key = digest(idempotency.key) if idempotency else None
        record = record.model_copy(update={"created_at": now, "updated_at": now, "idempotency": key})
        write = experiment_write(self._keys, record.id, fields_of(record), add=self._indexes(record))
        return self._store.create_many(runs, experiment=self._with_sources(write, record), idempotency=idempotency)

    def first_answer(self, idempotency: Idempotency) -> CreatedExperiment | None:
        """Returns the experiment that the same idempotency key created before, if any."""
        return self._store.first_experiment(idempotency)

    def change(
        self,
        experiment_id: str,
        change: Callable[[ExperimentRecord], tuple[ExperimentRecord, Sequence[tuple[Run, Texts]]]],
        idempotency: Idempotency | None = None,
        *,
        known: ExperimentRecord | None = None,
    ) -> ExperimentRecord:
        """Changes an experiment and adds runs to it, either all or nothing; if the experiment was changed meanwhile,
        changes the changed one instead. `known` is its record as the caller has read it."""
        while True:
            before = known or self.record(experiment_id)
            known = None
            after, runs = change(before)
            if after == before and not runs:
                return before
            after = after.model_copy(update={"updated_at": rfc3339(self._store.now())})
            write = self.change_write(before, after)
            try:
                self._store.create_many(runs, experiment=write, idempotency=idempotency)
            except ExperimentChanged:
                continue
            return after

    def change_write(self, before: ExperimentRecord, after: ExperimentRecord) -> Write:
        """Describes the change of an experiment; it is carried out only if Redis still holds the record `before`."""
        old, new = set(self._indexes(before)), set(self._indexes(after))
        # Supervisors may have carried out the request before, and have forgotten it.
        add = (new - old) | (new & {self._keys.asked_experiments()})
        write = experiment_write(self._keys, before.id, fields_of(after), add=add, remove=old - new, token=before.token)
        return self._with_sources(write, after)

    def delete(self, record: ExperimentRecord) -> None:
        """Removes the record of an experiment, whose runs the caller deletes. Raises ExperimentChanged, also if a run
        is not over."""
        write = experiment_write(
            self._keys,
            record.id,
            {},
            add=[self._keys.deleted_experiments()],
            remove=self._indexes(record),
            token=record.token,
        )
        delete = [self._keys.experiment(record.id)]
        # Otherwise a repeated POST would be answered with an experiment that no longer exists.
        if record.idempotency:
            delete.append(self._keys.idempotency(record.idempotency))
        self._store.create_many([], experiment=replace(write, delete=delete, active=self._active(record.id)))

    def _active(self, experiment_id: str) -> list[str]:
        """Returns the indexes of the runs of an experiment that are not over."""
        return [self._keys.in_experiment(experiment_id, status) for status in STATUSES if status not in TERMINAL]

    def _indexes(self, record: ExperimentRecord) -> list[str]:
        # A run that an experiment uses again cannot be deleted before the experiment.
        reused = [self._keys.dependants(each.run) for each in record.reused]
        asked = [self._keys.asked_experiments()] if record.request else []
        incomplete = [] if record.is_complete else [self._keys.incomplete_experiments()]
        return [self._keys.experiments(), *reused, *asked, *incomplete]

    def _with_sources(self, write: Write, record: ExperimentRecord) -> Write:
        return replace(write, sources={reused.run: self._keys.run(reused.run) for reused in record.reused})

    # Reading

    def now(self) -> int:
        """Returns Redis's time in milliseconds."""
        return self._store.now()

    def record(self, experiment_id: str) -> ExperimentRecord:
        """Returns the record. Raises ExperimentNotFound."""
        stored = self._redis.hgetall(self._keys.experiment(experiment_id))
        if not stored:
            raise ExperimentNotFound(experiment_id)
        return record_in(experiment_id, stored)

    def get(self, experiment_id: str) -> Experiment:
        """Returns the experiment as clients see it. Raises ExperimentNotFound."""
        record = self.record(experiment_id)
        [counts] = self.counts([experiment_id])
        runs = self.runs(record)
        missing = missing_runs(record, runs)
        return shown(record, status_of(record, counts), counts, runs, missing, self.reason(record))

    def brief(self, record: ExperimentRecord) -> Brief:
        """Returns the row of a list."""
        [counts] = self.counts([record.id])
        return brief_of(record, counts, self.reason(record))

    def reason(self, record: ExperimentRecord) -> str | None:
        """Returns in words why no more runs of an experiment are created at the moment, although some are missing."""
        if record.creates_trials:
            return self.supervisors.search_problem()
        return self.supervisors.arm_problem() if record.creates_dependents else None

    def page(self, *, after: str | None, limit: int) -> ExperimentPage:
        """Returns experiments, newest first, older than the one with the id `after`."""
        bound = "+inf"
        if after is not None:
            score = self._redis.zscore(self._keys.experiments(), after)
            if score is None:
                raise ExperimentNotFound(after)
            bound = f"({score:.0f}"
        ids = wire.texts(self._redis.zrevrangebyscore(self._keys.experiments(), bound, "-inf", start=0, num=limit + 1))
        listed = ids[:limit]
        records = list(self._readable(zip(listed, self._hashes(listed), strict=True)))
        counts = self.counts([record.id for record in records])
        rows = tuple(brief_of(record, each, self.reason(record)) for record, each in zip(records, counts, strict=True))
        return ExperimentPage(data=rows, has_more=len(ids) > limit, last_id=rows[-1].id if rows else None)

    def _readable(self, found: Iterable[tuple[str, Mapping[wire.Text, wire.Text]]]) -> Iterator[ExperimentRecord]:
        """Yields the records in hashes, without those of experiments that were deleted since their ids were read, or
        that this version cannot read: one of these must not make a whole list fail."""
        for experiment_id, stored in found:
            try:
                if stored:
                    yield record_in(experiment_id, stored)
            except ExperimentUnreadable as error:
                log.warning("%s", error)

    def _hashes(self, ids: Sequence[str]) -> list[Mapping[wire.Text, wire.Text]]:
        """Returns the hashes of experiments."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for experiment_id in ids:
                pipeline.hgetall(self._keys.experiment(experiment_id))
            return pipeline.execute()

    def counts(self, ids: Sequence[str]) -> list[dict[Status, int]]:
        """Returns the number of new runs of each experiment by status, without those that a retry has replaced."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for experiment_id in ids:
                for status in STATUSES:
                    pipeline.zcard(self._keys.in_experiment(experiment_id, status))
            counts = pipeline.execute()
        rows = [counts[start : start + len(STATUSES)] for start in range(0, len(counts), len(STATUSES))]
        return [{status: count for status, count in zip(STATUSES, row, strict=True) if count} for row in rows]

    def runs(self, record: ExperimentRecord) -> tuple[ExperimentRun, ...]:
        """Returns the runs of an experiment by arm, seed and fold; of those in one place, the newest."""
        return experiment_runs(record, self.placed_runs(record, ("status",)))

    def placed_runs(self, record: ExperimentRecord, names: Sequence[str]) -> list[tuple[PlacedRun, Fields]]:
        """Returns the runs of an experiment with some of their fields, by arm, seed and fold; of those in one place,
        the newest."""
        found: dict[tuple[str, int, int | None], tuple[PlacedRun, Fields]] = {}
        reused = {each.run: each for each in record.reused}
        for run_id, fields in self.fields_of_runs([*reused, *self.run_ids(record.id)], ("experiment", *names)):
            place = reused.get(run_id) or placed(run_id, fields)
            found[place.arm, place.seed, place.fold] = place, fields
        order = {arm.name: index for index, arm in enumerate(record.arms)}
        listed = [each for each in found.values() if each[0].arm in order]
        return sorted(listed, key=lambda each: (order[each[0].arm], each[0].seed, each[0].fold or 0))

    def run_ids(self, experiment_id: str) -> list[str]:
        """Returns the runs that an experiment has made, the oldest first."""
        return wire.texts(self._redis.zrange(self._keys.filtered("experiment", experiment_id), 0, -1))

    def statuses(self, experiment_id: str) -> dict[str, Status]:
        """Returns the status of each run that an experiment has made; also of those in whose places others are."""
        found = self.fields_of_runs(self.run_ids(experiment_id), ("status",))
        return {run_id: json.loads(fields["status"]) for run_id, fields in found}

    def give_priority(self, record: ExperimentRecord) -> None:
        """Gives the runs of an experiment that are not over its priority, in one write."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in self._active(record.id):
                pipeline.zrange(key, 0, -1)
            ids = [run_id for found in pipeline.execute() for run_id in wire.texts(found)]
        self._store.command_all(ids, ChangePriority(record.priority, even_if_running=True))

    def command_all(
        self, record: ExperimentRecord, command: Command, statuses: Collection[Status], request: Request | None
    ) -> list[Record]:
        """Applies a command to all runs of an experiment that have one of some statuses, in one write, if the
        experiment is still asked for this; returns the records that it has changed."""
        ids = [run_id for run_id, status in self.statuses(record.id).items() if status in statuses]
        return self._store.command_all(ids, command, Asked(self._keys.experiment(record.id), request))

    def fields_of_runs(self, ids: Iterable[str], names: Sequence[str]) -> Iterator[tuple[str, Fields]]:
        """Yields some fields of runs, each as JSON, without reading the whole records."""
        listed = list(ids)
        # To unpack a record takes longer than to read it.
        read = tuple(names) if wire.KEPT.issuperset(names) else (*names, wire.PACKED)
        for start in range(0, len(listed), CHUNK):
            chunk = listed[start : start + CHUNK]
            with self._redis.pipeline(transaction=False) as pipeline:
                for run_id in chunk:
                    pipeline.hmget(self._keys.run(run_id), read)
                replies = pipeline.execute()
            for run_id, values in zip(chunk, replies, strict=True):
                pairs = zip(read, values, strict=True)
                stored = {name: wire.text(value) for name, value in pairs if value is not None}
                # A run may have been deleted since its id was read.
                if stored:
                    yield run_id, wire.decoded(stored)

    def needed(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Returns those of some runs, the oldest first, that are needed by what stays if the others go: by runs that
        build on their weights, and by other experiments."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for run_id in ids:
                pipeline.zrange(self._keys.dependants(run_id), 0, -1)
            dependants = dict(zip(ids, map(wire.texts, pipeline.execute()), strict=True))
        gone: set[str] = set()
        # A run is younger than those that it builds on.
        for run_id in reversed(ids):
            if gone.issuperset(dependants[run_id]):
                gone.add(run_id)
        return tuple(run_id for run_id in ids if run_id not in gone)

    def exists(self, experiment_id: str) -> bool:
        """Returns whether there is an experiment with this id."""
        return bool(self._redis.exists(self._keys.experiment(experiment_id)))

    def refuse_if_needed(self, run: Run) -> None:
        """Raises RunInExperiment if a run is a part of an experiment that was not deleted."""
        if run.experiment and self.exists(run.experiment.id):
            raise RunInExperiment(run.id, run.experiment.id)

    def asked(self) -> list[ExperimentRecord]:
        """Returns the experiments that a user has asked to pause, to stop or to cancel, and has not resumed."""
        ids = wire.texts(self._redis.zrange(self._keys.asked_experiments(), 0, -1))
        return list(self._readable(zip(ids, self._hashes(ids), strict=True)))

    def incomplete(self) -> list[ExperimentRecord]:
        """Returns the experiments that may still create runs, the oldest first."""
        ids = wire.texts(self._redis.zrange(self._keys.incomplete_experiments(), 0, -1))
        return list(self._readable(zip(ids, self._hashes(ids), strict=True)))

    def deleted(self) -> list[str]:
        """Returns the ids of deleted experiments whose runs may still be there."""
        return wire.texts(self._redis.zrange(self._keys.deleted_experiments(), 0, -1))

    def delete_runs(self, ids: Sequence[str]) -> list[str]:
        """Removes the records of runs that are over, in one write; leaves out those that others need. Returns the runs
        that are gone, whose files the caller deletes."""
        return self._store.delete_all(ids[::-1])

    def forget_deleted(self, experiment_id: str, runs: Sequence[str]) -> None:
        """Notes that the runs of a deleted experiment are deleted, with their files."""
        self._store.forget_deleted(runs)
        self._redis.zrem(self._keys.deleted_experiments(), experiment_id)

    def forget_request(self, experiment_id: str) -> None:
        """Notes that a request has reached all runs, so that supervisors need not look again."""
        self._redis.zrem(self._keys.asked_experiments(), experiment_id)

    def machines(self) -> frozenset[Machine]:
        """Returns what the present workers would train a new run on."""
        return machines(self._store.workers())

    def reusable(self, recipes: Sequence[tuple[str, str | None]]) -> list[str | None]:
        """Returns, for the digest of each recipe and the fingerprint of its data, a finished run that is the result of
        a new one; None if there is none."""
        present = self.machines()
        if not present:
            return [None] * len(recipes)
        with self._redis.pipeline(transaction=False) as pipeline:
            for digest, _ in recipes:
                pipeline.zrevrange(self._keys.filtered("recipe_sha256", digest), 0, CANDIDATES - 1)
            candidates = [wire.texts(ids) for ids in pipeline.execute()]
        fields = dict(self.fields_of_runs({run_id for ids in candidates for run_id in ids}, READ))
        return [
            next((each for each in ids if each in fields and is_reusable(fields[each], fingerprint, present)), None)
            for ids, (_, fingerprint) in zip(candidates, recipes, strict=True)
        ]
