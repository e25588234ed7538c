"""Encodes records for Redis and decodes them. Does not connect to Redis.

The record of a run is a hash of JSON fields. Writes are described in `writes`, entries of streams in `stream_entries`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.migrations import EARLIER, parse_record
from bakehouse.runs.pace import Pace
from bakehouse.runs.packing import unpack
from bakehouse.runs.record import FORMAT, Held, Record, queue_place
from bakehouse.runs.run import QueuePlace

# The script writes these fields itself.
BY_SCRIPT = {"token", "seq"}
# A hash also has fields of commit.lua, and perhaps of a newer version; these are left out.
READABLE = Record.model_fields.keys() | EARLIER

# The field that holds a packed record.
PACKED = "packed"
# These are not packed: readers of a log look at the status, messages about a damaged record name its id, and an
# experiment finds its runs by their places.
KEPT = BY_SCRIPT | {"id", "status", "experiment"}

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Text = bytes | str
Texts = Mapping[str, str]
"""Fields of a record, each as JSON."""
NOTHING: Texts = {}
# A hash or a stream entry, from a client that decodes bytes or from one that does not.
Fields = Mapping[Text, Text] | Mapping[bytes, bytes] | Mapping[str, str]


def place_in(reply: Any, workers: int, pace: Pace | None = None) -> QueuePlace | None:
    """Returns the place in the queue in a reply of queue.lua, which has none for a run that does not wait."""
    if not reply:
        return None
    ahead, state = reply
    if not state:
        return queue_place(ahead, workers, pace=pace)
    experiment, request, running, limit = state
    return queue_place(ahead, workers, Held(text(experiment), text(request), running, limit or None))


def to_json(value: object) -> str:
    """Encodes a value as compact JSON; raises ValueError for NaN or an infinity, which would be a bug of ours."""
    return ENCODER.encode(value)


def encode(before: Record | None, after: Record, known: Texts = NOTHING) -> dict[str, str]:
    """Returns the fields that changed, each as JSON; all fields if another version wrote them. `known` are fields of a
    new record whose JSON the caller has already."""
    names = set(Record.model_fields) - BY_SCRIPT - known.keys()
    after = after.model_copy(update={"format": FORMAT})
    if before is not None and before.format == FORMAT:
        names = {name for name in names if getattr(before, name) != getattr(after, name)}
    changed = after.model_dump(mode="json", include=names).items()
    # A third of a record is null.
    return {**{name: "null" if value is None else to_json(value) for name, value in changed}, **known}


def decode(fields: Fields) -> Record:
    """Returns the record in a hash; raises RecordUnreadable if this version cannot read it."""
    try:
        stored = decoded(fields)
        # The values are JSON already, so they are joined instead of being parsed and written again.
        members = (f'"{name}":{value}' for name, value in stored.items() if name in READABLE)
        return parse_record("{" + ",".join(members) + "}")
    # The text may not even be UTF-8, which is a ValueError too.
    except ValueError as error:
        raise RecordUnreadable(id_in(fields)) from error


def id_in(fields: Fields) -> str:
    """Returns the id in a hash that may be unreadable otherwise."""
    run_id = next((value for name, value in fields.items() if name in ("id", b"id")), "?")
    return (run_id if isinstance(run_id, str) else run_id.decode(errors="replace")).strip('"')


def pairs(flat: Sequence[Text]) -> dict[Text, Text]:
    """Turns the flat list of names and values that a script returns into a dict."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def decoded(fields: Fields) -> Mapping[str, str]:
    """Returns the fields of a hash as text, those of a packed record too. Raises RecordUnreadable."""
    plain: Mapping[str, str]
    if isinstance(next(iter(fields), None), str):
        plain = fields  # type: ignore[assignment]
    else:
        plain = {text(name): text(value) for name, value in fields.items()}
    if PACKED not in plain:
        return plain
    try:
        # A field that was written after the record was packed is newer than the packed one.
        return {**unpack(plain[PACKED]), **plain}
    except ValueError as error:
        raise RecordUnreadable(id_in(plain)) from error


def texts(values: Iterable[Any]) -> list[str]:
    return [text(value) for value in values]


def text(value: Text) -> str:
    return value.decode() if isinstance(value, bytes) else value
