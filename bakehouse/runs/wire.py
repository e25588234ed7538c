"""How the record is written into Redis and read from it. Knows no client.

A write is one call of commit.lua: `creation`, `change` and `deletion` describe it, `script_argument` encodes it. The
record of a run is a hash of JSON fields; `decode` reads it, `parse_event` and `parse_change` read the streams.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.keys import CHANGES_MAX_LENGTH, IDEMPOTENCY_TTL_MS, Keys, digest
from bakehouse.runs.migrations import FIELDS, parse_record
from bakehouse.runs.record import Idempotency, NewEvent, Record, rfc3339
from bakehouse.runs.run import Actor, Event

# The script writes these fields itself.
BY_SCRIPT = {"token", "seq"}
READABLE = Record.model_fields.keys() | FIELDS.keys()

Text = bytes | str
# A hash or a stream entry, whether the client decodes or not.
Fields = Mapping[Text, Text] | Mapping[bytes, bytes] | Mapping[str, str]
Outcome = Literal["done", "repeated", "conflict", "absent", "replayed", "source_missing", "has_dependants"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Write:
    """One call of the script: all of it is carried out, or nothing."""

    run_id: str
    actor: Actor
    expected_token: str
    """The record's token as the writer read it; empty for a new run."""
    fields: Mapping[str, str]
    events: Sequence[NewEvent]
    remove: Iterable[str]
    """The indexes that no longer list the run."""
    add: Mapping[str, str]
    """The indexes that list the run, with its score there."""
    delete: Sequence[str] = ()
    """Keys to delete with the run."""
    idempotency: tuple[str, str] | None = None
    """The digest of the idempotency key, which must not exist, and the value that it gets."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The runs whose weights a new run builds on, with their keys; they must exist."""
    dependants: str = ""
    """The index of the runs that build on a run to delete; it must be empty."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The script's reply. The payload depends on the outcome: the record, an idempotency value, or runs in the way."""

    outcome: Outcome
    token: str
    seq: int
    payload: Any


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change stream: the run has an event of that number."""

    id: str
    run_id: str
    seq: int


def creation(keys: Keys, record: Record, events: Sequence[NewEvent], idempotency: Idempotency | None) -> Write:
    """Writes a new run if every run whose weights it builds on exists."""
    replay = None
    if idempotency:
        value = {"run_id": record.id, "body_sha256": idempotency.body_sha256}
        replay = (digest(idempotency.key), json.dumps(value))
    return Write(
        run_id=record.id,
        actor="service",
        expected_token="",
        fields=encode(None, record),
        events=events,
        remove=(),
        add=keys.indexes(record),
        idempotency=replay,
        sources={source: keys.run(source) for source in record.depends_on},
    )


def change(keys: Keys, before: Record, after: Record, events: Sequence[NewEvent], actor: Actor) -> Write:
    """Writes the difference between two records, if Redis still holds the first one."""
    old = keys.indexes(before)
    new = keys.indexes(after)
    return Write(
        run_id=after.id,
        actor=actor,
        expected_token=before.token,
        fields=encode(before, after),
        events=events,
        remove=old.keys() - new.keys(),
        add={key: score for key, score in new.items() if old.get(key) != score},
    )


def deletion(keys: Keys, record: Record) -> Write:
    """Deletes every key of a run if no other run builds on its weights."""
    delete = [keys.run(record.id), keys.log(record.id)]
    if record.idempotency:
        delete.append(keys.idempotency(record.idempotency))
    return Write(
        run_id=record.id,
        actor="service",
        expected_token=record.token,
        fields={},
        events=(),
        remove=keys.indexes(record),
        add={},
        delete=delete,
        dependants=keys.dependants(record.id),
    )


def script_argument(write: Write, token: str) -> str:
    """Encodes a write, with the random token that identifies it, as the script's one argument."""
    return json.dumps(
        {
            "run": write.run_id,
            "actor": write.actor,
            # The hash holds every field as JSON, its token too.
            "expected_token": json.dumps(write.expected_token) if write.expected_token else "",
            "token": json.dumps(token),
            "fields": write.fields,
            "events": [
                {"type": event.type, "attempt": event.attempt, "data": to_json(event.data)} for event in write.events
            ],
            "remove": list(write.remove),
            "add": write.add,
            "delete": write.delete,
            "idempotency": write.idempotency[1] if write.idempotency else "",
            "idempotency_ttl": IDEMPOTENCY_TTL_MS,
            "sources": write.sources,
            "dependants": write.dependants,
            "changes_length": CHANGES_MAX_LENGTH,
        },
        ensure_ascii=False,
    )


def to_json(value: object) -> str:
    """Encodes as compact JSON; NaN or an infinity here is our own mistake and refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(before: Record | None, after: Record) -> dict[str, str]:
    """Returns the fields that changed, each as JSON."""
    names = set(Record.model_fields) - BY_SCRIPT
    if before is not None:
        names = {name for name in names if getattr(before, name) != getattr(after, name)}
    return {name: to_json(value) for name, value in after.model_dump(mode="json", include=names).items()}


def decode(fields: Fields) -> Record:
    """Returns the record of a hash; raises RecordUnreadable if another version wrote it."""
    stored = decoded(fields)
    members = (f'"{name}":{value}' for name, value in stored.items() if name in READABLE)
    try:
        return parse_record("{" + ",".join(members) + "}")
    except ValueError as error:
        raise RecordUnreadable(json.loads(stored.get("id", '"?"'))) from error


def decode_or_skip(fields: Fields) -> Record | None:
    """Returns the record of a hash; logs a warning and returns None if another version wrote it."""
    try:
        return decode(fields)
    except RecordUnreadable as error:
        log.warning("%s", error)
        return None


def parse_event(entry_id: Text, fields: Fields) -> Event:
    """Returns the event of an entry in a run's stream."""
    entry = decoded(fields)
    return Event(
        seq=int(text(entry_id).partition("-")[0]),
        time=rfc3339(int(entry["time"])),
        attempt=int(entry["attempt"]),
        type=entry["type"],  # type: ignore[arg-type]
        data=json.loads(entry["data"]),
    )


def parse_change(entry_id: Text, fields: Fields) -> Change:
    """Returns the change of an entry in the change stream."""
    entry = decoded(fields)
    return Change(text(entry_id), entry["run"], int(entry["seq"]))


def pairs(flat: Sequence[Text]) -> dict[Text, Text]:
    """Returns a hash from the flat list that scripts return."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def decoded(fields: Fields) -> dict[str, str]:
    return {text(name): text(value) for name, value in fields.items()}


def texts(values: Iterable[Any]) -> list[str]:
    return [text(value) for value in values]


def text(value: Text) -> str:
    return value.decode() if isinstance(value, bytes) else value
