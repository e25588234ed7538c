"""What a change of a record writes beside its fields: events, indexes, guards."""

import json
from collections.abc import Sequence

from bakehouse.runs import wire
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.record import Idempotency, NewEvent, Record
from bakehouse.runs.run import Actor


def creation(keys: Keys, record: Record, events: Sequence[NewEvent], idempotency: Idempotency | None) -> wire.Write:
    """A new run, if all those are there on whose weights it builds."""
    claim = None
    if idempotency:
        held = {"run_id": record.id, "body_sha256": idempotency.body_sha256}
        claim = (digest(idempotency.key), json.dumps(held))
    sources = {source: keys.run(source) for source in record.depends_on}
    fields, indexes = wire.encode(None, record), keys.indexes(record)
    return wire.Write(record.id, "service", "", fields, events, (), indexes, claim=claim, sources=sources)


def change(keys: Keys, before: Record, after: Record, events: Sequence[NewEvent], actor: Actor) -> wire.Write:
    """What differs."""
    old, new = keys.indexes(before), keys.indexes(after)
    add = {key: score for key, score in new.items() if old.get(key) != score}
    fields = wire.encode(before, after)
    return wire.Write(after.id, actor, before.token, fields, events, old.keys() - new.keys(), add)


def deletion(keys: Keys, record: Record) -> wire.Write:
    """Every key of a run, if no other builds on its weights."""
    drop = [keys.run(record.id), keys.log(record.id)]
    if record.idempotency:
        drop.append(keys.idempotency(record.idempotency))
    indexes, dependants = keys.indexes(record), keys.dependants(record.id)
    return wire.Write(record.id, "service", record.token, {}, (), indexes, {}, drop=drop, dependants=dependants)
