"""How the record is written into Redis and read out of it; knows no client."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.keys import CHANGES_MAX_LENGTH, IDEMPOTENCY_TTL_MS, Keys, digest
from bakehouse.runs.record import Idempotency, NewEvent, Record, rfc3339
from bakehouse.runs.run import Actor, Event

# What the script writes by itself, beside the fields of a write.
BY_SCRIPT = {"token", "seq"}

log = logging.getLogger(__name__)

Text = bytes | str
# A hash or a stream entry, whether the client decodes or not.
Fields = Mapping[Text, Text] | Mapping[bytes, bytes] | Mapping[str, str]
Outcome = Literal["done", "repeated", "conflict", "absent", "held", "gone", "needed"]


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change stream: the run has an event of that number."""

    id: str
    run_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Write:
    """One call of the script."""

    run_id: str
    actor: Actor
    seen: str
    fields: Mapping[str, str]
    events: Sequence[NewEvent]
    remove: Iterable[str]
    add: Mapping[str, str]
    drop: Sequence[str] = ()
    claim: tuple[str, str] | None = None
    """The idempotency key's digest, and what it shall hold."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Runs that must be there, with their keys: the new one builds on their weights."""
    dependants: str = ""
    """The index of those that build on the run; it must be empty."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script answers."""

    outcome: Outcome
    token: str
    seq: int
    payload: Any


def script_argument(write: Write, token: str) -> str:
    """The script's one argument."""
    return json.dumps(
        {
            "run": write.run_id,
            "actor": write.actor,
            "seen": json.dumps(write.seen) if write.seen else "",
            "token": json.dumps(token),
            "fields": write.fields,
            "events": [
                {"type": event.type, "attempt": event.attempt, "data": to_json(event.data)} for event in write.events
            ],
            "remove": list(write.remove),
            "add": write.add,
            "drop": write.drop,
            "claim": write.claim[1] if write.claim else "",
            "sources": write.sources,
            "dependants": write.dependants,
            "claim_ttl": IDEMPOTENCY_TTL_MS,
            "changes_length": CHANGES_MAX_LENGTH,
        },
        ensure_ascii=False,
    )


def to_json(value: object) -> str:
    """Compact; what is not finite is an error of ours and refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(before: Record | None, after: Record) -> dict[str, str]:
    """The fields that changed, each as JSON."""
    names = set(Record.model_fields) - BY_SCRIPT
    if before is not None:
        names = {name for name in names if getattr(before, name) != getattr(after, name)}
    return {name: to_json(value) for name, value in after.model_dump(mode="json", include=names).items()}


def decode(fields: Fields) -> Record:
    """The record of a hash."""
    known = ((text(name), text(value)) for name, value in fields.items())
    members = (f'"{name}":{value}' for name, value in known if name in Record.model_fields)
    try:
        return Record.model_validate_json("{" + ",".join(members) + "}")
    except ValidationError as error:
        raise RecordUnreadable(json.loads(text(fields.get(b"id") or fields.get("id") or '"?"'))) from error  # type: ignore[call-overload]


def readable(fields: Fields) -> Record | None:
    """The record of a hash; None, with a word in the log, for one that another version wrote."""
    try:
        return decode(fields)
    except RecordUnreadable as error:
        log.warning("%s", error)
        return None


def parse_event(entry_id: Text, fields: Fields) -> Event:
    """An event from its entry in a run's stream."""
    entry = {text(name): text(value) for name, value in fields.items()}
    return Event(
        seq=int(text(entry_id).partition("-")[0]),
        time=rfc3339(int(entry["time"])),
        attempt=int(entry["attempt"]),
        type=entry["type"],  # type: ignore[arg-type]
        data=json.loads(entry["data"]),
    )


def parse_change(entry_id: Text, fields: Fields) -> Change:
    """A change from its entry in the change stream."""
    entry = {text(name): text(value) for name, value in fields.items()}
    return Change(text(entry_id), entry["run"], int(entry["seq"]))


def pairs(flat: Sequence[Text]) -> dict[Text, Text]:
    """A hash as scripts return it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def texts(values: Iterable[Any]) -> list[str]:
    """Redis's answers as str."""
    return [text(value) for value in values]


def text(value: Text) -> str:
    """Redis's answer as str, whatever the client decodes."""
    return value.decode() if isinstance(value, bytes) else value


def creation(keys: Keys, record: Record, events: Sequence[NewEvent], idempotency: Idempotency | None) -> Write:
    """A new run, if all those are there on whose weights it builds."""
    claim = None
    if idempotency:
        held = {"run_id": record.id, "body_sha256": idempotency.body_sha256}
        claim = (digest(idempotency.key), json.dumps(held))
    sources = {source: keys.run(source) for source in record.depends_on}
    fields, indexes = encode(None, record), keys.indexes(record)
    return Write(record.id, "service", "", fields, events, (), indexes, claim=claim, sources=sources)


def change(keys: Keys, before: Record, after: Record, events: Sequence[NewEvent], actor: Actor) -> Write:
    """What differs."""
    old, new = keys.indexes(before), keys.indexes(after)
    add = {key: score for key, score in new.items() if old.get(key) != score}
    fields = encode(before, after)
    return Write(after.id, actor, before.token, fields, events, old.keys() - new.keys(), add)


def deletion(keys: Keys, record: Record) -> Write:
    """Every key of a run, if no other builds on its weights."""
    drop = [keys.run(record.id), keys.log(record.id)]
    if record.idempotency:
        drop.append(keys.idempotency(record.idempotency))
    indexes, dependants = keys.indexes(record), keys.dependants(record.id)
    return Write(record.id, "service", record.token, {}, (), indexes, {}, drop=drop, dependants=dependants)
