"""Describes what commit.lua does to the records of runs and experiments, and encodes it. Does not connect to Redis.

A call of the script carries out writes: `creation`, `change` and `deletion` describe them, `script_arguments` encodes
them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bakehouse.runs.keys import BY_TURN, CHANGES_MAX_LENGTH, IDEMPOTENCY_TTL_MS, IN_ORDER, Keys, Participant
from bakehouse.runs.packing import pack
from bakehouse.runs.record import NewEvent, Record
from bakehouse.runs.run import Run
from bakehouse.runs.status import Actor, Request
from bakehouse.runs.wire import BY_SCRIPT, KEPT, NOTHING, PACKED, READABLE, Texts, encode, to_json

ARGUMENTS = json.JSONEncoder(ensure_ascii=False)

Outcome = Literal[
    "done", "repeated", "conflict", "absent", "replayed", "source_missing", "has_dependants", "active", "replaced",
    "held", "asked_otherwise",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Write:
    """What commit.lua does to one record; Redis carries out either all writes of a call or nothing."""

    key: str
    """The key of the record's hash."""
    log: str
    """The key of the record's log."""
    run_id: str
    """The id of the record, which is also its name in the indexes."""
    actor: Actor
    expected_token: str
    """The record's token as the writer read it; empty for a new run."""
    fields: Mapping[str, str]
    events: Sequence[NewEvent]
    remove: Iterable[str]
    """The indexes to remove the run from."""
    add: Mapping[str, str]
    """The indexes to add the run to, each with the run's score."""
    delete: Sequence[str] = ()
    """Keys to delete with the run."""
    unset: Sequence[str] = ()
    """Fields to remove from the run's hash."""
    delete_log: bool = False
    """Whether to delete the run's log, but not the run."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The keys that must exist when a run is created, each with the run or the data set that it stands for."""
    dependants: str = ""
    """The index of the runs that build on the run to delete; it must be empty."""
    active: Sequence[str] = ()
    """The indexes of the runs of the experiment to delete that are not over; they must be empty."""
    leaves: Participant | None = None
    """The participant in whose queue the run waits before the write, unless it waits there afterwards too."""
    joins: Participant | None = None
    """The participant in whose queue the run waits after the write."""
    is_claim: bool = False
    """Whether a worker takes the run; it must not if the run's experiment is held."""
    is_asked: bool = False
    """Whether a user has asked this run to stop, so that it may be claimed although its experiment is."""
    experiment: Mapping[str, str] | None = None
    """The keys of the experiment, if the run has one and joins or leaves a queue."""
    replaces: Mapping[str, object] | None = None
    """The run whose place in the experiment the new run takes, with its key and the indexes of runs that count there;
    no other run may have taken the place before."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of commit.lua, whose header lists the payloads."""

    outcome: Outcome
    token: str
    seq: int
    payload: Any


# The fields that a new record does not use yet: those of its owner, its log's position and its files.
UNUSED: Texts = {
    name: to_json(info.default)
    for name, info in Record.model_fields.items()
    if name not in Run.model_fields and name not in BY_SCRIPT | {"idempotency", "format"}
}


def creation(keys: Keys, record: Record, events: Sequence[NewEvent], known: Texts = NOTHING) -> Write:
    """Describes the write of a new run; it is carried out only if every run whose weights it builds on exists, and its
    data set if that was uploaded."""
    return Write(
        key=keys.run(record.id),
        log=keys.log(record.id),
        run_id=record.id,
        actor="service",
        expected_token="",
        fields=encode(None, record, {**UNUSED, **known}),
        events=events,
        remove=(),
        add=without_turns(keys.indexes(record)),
        joins=keys.participant(record),
        experiment=keys.of_cell(record.experiment) if record.experiment else None,
        sources=sources_of(keys, record),
        replaces=keys.of_replaced(record),
    )


def experiment_write(
    keys: Keys, experiment_id: str, fields: Texts, *, add: Iterable[str], remove: Iterable[str] = (), token: str = ""
) -> Write:
    """Describes the write of fields of an experiment, each as JSON. With the token of its present record the experiment
    is changed, without it is created."""
    return Write(
        key=keys.experiment(experiment_id),
        log=keys.log(experiment_id),
        run_id=experiment_id,
        actor="service",
        expected_token=token,
        fields=fields,
        events=(),
        remove=remove,
        add=dict.fromkeys(add, IN_ORDER),
    )


def sources_of(keys: Keys, record: Record) -> dict[str, str]:
    """Returns the keys that must exist when a run is created: of the runs that it builds on, and of the version of its
    data set, which could be deleted meanwhile."""
    dataset = record.recipe.dataset.id
    version = {dataset: keys.dataset_version(dataset)} if "@" in dataset else {}
    return {**{source: keys.run(source) for source in record.depends_on}, **version}


def change(keys: Keys, before: Record, after: Record, events: Sequence[NewEvent], actor: Actor) -> Write:
    """Describes the write of a change; it is carried out only if Redis still holds the record `before`."""
    old = keys.indexes(before)
    new = keys.indexes(after)
    leaves = keys.participant(before)
    joins = keys.participant(after)
    is_moved = leaves != joins
    return Write(
        key=keys.run(after.id),
        log=keys.log(after.id),
        run_id=after.id,
        actor=actor,
        expected_token=before.token,
        # Only changed fields are sent, because a whole record is large and most commands change little of it.
        fields=encode(before, after),
        events=events,
        # An earlier version may have queued the run.
        remove=[*(old.keys() - new.keys()), *([keys.claimable_before()] if leaves else [])],
        add=without_turns({key: score for key, score in new.items() if old.get(key) != score}),
        leaves=leaves if is_moved else None,
        joins=joins if is_moved else None,
        is_claim=before.status == "queued" and after.status == "running",
        is_asked=before.request is not None,
        experiment=keys.of_cell(after.experiment) if after.experiment and is_moved else None,
    )


def adoption(keys: Keys, record: Record) -> Write:
    """Describes the write that gives a turn to a waiting run that an earlier version queued."""
    return Write(
        key=keys.run(record.id),
        log=keys.log(record.id),
        run_id=record.id,
        actor="supervisor",
        expected_token=record.token,
        fields={},
        events=(),
        remove=[keys.claimable_before()],
        add={},
        joins=keys.participant(record),
    )


def without_turns(indexes: Mapping[str, str]) -> dict[str, str]:
    """Leaves out the indexes to which commit.lua adds a run when the run joins a queue."""
    return {key: score for key, score in indexes.items() if score != BY_TURN}


def deletion(keys: Keys, record: Record, *, notes_files: bool = False) -> Write:
    """Describes the deletion of every key of a run; it is carried out only if no other run builds on its weights. With
    `notes_files`, the run is listed among those whose files may still be there."""
    delete = [keys.run(record.id), keys.log(record.id)]
    # Otherwise a repeated POST would be answered with a run that no longer exists.
    if record.idempotency:
        delete.append(keys.idempotency(record.idempotency))
    return Write(
        key=keys.run(record.id),
        log=keys.log(record.id),
        run_id=record.id,
        actor="service",
        expected_token=record.token,
        fields={},
        events=(),
        # If an index had changed since the record was read, the token would differ and nothing would be deleted.
        remove=keys.indexes(record),
        add={keys.deleted_runs(): IN_ORDER} if notes_files else {},
        delete=delete,
        dependants=keys.dependants(record.id),
    )


def archival(keys: Keys, record: Record, stored: Texts) -> Write:
    """Describes the write that packs the record of a finished run, and deletes its log, which is in a file. `stored`
    are the fields of the record in Redis."""
    after = record.model_copy(update={"archived": True})
    # The stored texts are kept, because another encoder may write the same number in another way.
    packed = {name: text for name, text in stored.items() if name in READABLE - KEPT} | {"archived": to_json(True)}
    return Write(
        key=keys.run(record.id),
        log=keys.log(record.id),
        run_id=record.id,
        actor="supervisor",
        expected_token=record.token,
        fields={PACKED: pack(packed)},
        events=(),
        remove=keys.indexes(record).keys() - keys.indexes(after).keys(),
        add={},
        # An owner or a user no longer repeats a write whose reply was lost.
        unset=(*packed, "by_worker", "by_service"),
        delete_log=True,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What an experiment must still be asked for when its runs are written."""

    key: str
    """The key of the experiment's hash."""
    request: Request | None


def script_arguments(
    writes: Iterable[Write], token: str, answer: str = "", *, skips: bool = False, asked: Asked | None = None
) -> list[str]:
    """Encodes writes, with the random token that identifies them, as the arguments of the script. `answer` is stored
    under the idempotency key, if the call has one. With `skips`, a write that is refused does not stop the others."""
    shared = {
        # The hash stores every field as JSON, including the token.
        "token": json.dumps(token),
        "idempotency": answer,
        "idempotency_ttl": IDEMPOTENCY_TTL_MS,
        "changes_length": CHANGES_MAX_LENGTH,
        "skips": skips,
        "asked": asked is not None and {"key": asked.key, "request": to_json(asked.request)},
    }
    return [ARGUMENTS.encode(shared), *map(write_argument, writes)]


def write_argument(write: Write) -> str:
    """Encodes one write as an argument of the script."""
    return ARGUMENTS.encode(
        {
            "key": write.key,
            "log": write.log,
            "run": write.run_id,
            "actor": write.actor,
            "expected_token": json.dumps(write.expected_token) if write.expected_token else "",
            "fields": write.fields,
            "events": [
                {"type": event.type, "attempt": event.attempt, "data": to_json(event.data)} for event in write.events
            ],
            "remove": list(write.remove),
            "add": write.add,
            "delete": write.delete,
            "unset": write.unset,
            "delete_log": write.delete_log,
            "sources": write.sources,
            "dependants": write.dependants,
            "active": write.active,
            "leaves": participant_argument(write.leaves),
            "joins": participant_argument(write.joins),
            "is_claim": write.is_claim,
            "is_asked": write.is_asked,
            "experiment": write.experiment or False,
            "replaces": write.replaces or False,
        }
    )


def participant_argument(participant: Participant | None) -> object:
    """Encodes a participant; JSON's null would be true in Lua."""
    if participant is None:
        return False
    return {"key": participant.key, "priority": participant.priority, "recovered": participant.recovered}
