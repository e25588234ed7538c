"""Reads the entries of streams: the events of runs, and the changes that announce them. Does not connect to Redis."""

import re
from dataclasses import dataclass

from bakehouse.runs.record import rfc3339
from bakehouse.runs.run import Event
from bakehouse.runs.wire import Fields, Text, decoded, text

LINE = re.compile(r'\{"seq":(?P<seq>\d+),"time":"[^"]*","attempt":\d+,"type":"(?P<type>\w+)"')


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change stream: the run has a new event with the number `seq`."""

    id: str
    run_id: str
    seq: int
    deleted: int | None = None
    """Redis's time in ms if the run was deleted, which no log has as an event."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a run's log; `json` is the whole event as clients get it."""

    seq: int
    type: str
    json: str

    def parse(self) -> Event:
        """Returns the event as a model."""
        return Event.model_validate_json(self.json)


def parse_event(entry_id: Text, fields: Fields) -> StoredEvent:
    """Returns the event in an entry of a run's stream."""
    entry = decoded(fields)
    # commit.lua gives each entry the id `seq-0`.
    seq = int(text(entry_id).partition("-")[0])
    # The data is JSON already, so it is joined instead of being parsed and written again.
    members = f'"seq":{seq},"time":"{rfc3339(int(entry["time"]))}","attempt":{entry["attempt"]}'
    return StoredEvent(seq, entry["type"], f'{{{members},"type":"{entry["type"]}","data":{entry["data"]}}}')


def parse_line(line: str) -> StoredEvent:
    """Returns the event in a line of an archived log. Raises ValueError if the line is not one that was written."""
    found = LINE.match(line)
    if found is None:
        raise ValueError(f"not a line of a log: {line[:40]}")
    return StoredEvent(int(found["seq"]), found["type"], line)


def parse_change(entry_id: Text, fields: Fields) -> Change:
    """Returns the change in an entry of the change stream."""
    entry = decoded(fields)
    deleted = int(entry["deleted"]) if "deleted" in entry else None
    return Change(text(entry_id), entry["run"], int(entry["seq"]), deleted)


def deletion_event(seq: int, ms: int) -> StoredEvent:
    """Returns what followers of several runs are told when one of them is deleted."""
    json = f'{{"seq":{seq},"time":"{rfc3339(ms)}","attempt":0,"type":"deleted","data":{{}}}}'
    return StoredEvent(seq, "deleted", json)


def stream_position(entry_id: str) -> tuple[int, int]:
    """Parses the id of a stream's entry into numbers, which can be compared in the stream's order."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
