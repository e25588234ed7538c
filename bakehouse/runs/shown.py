"""Runs as clients see them: JSON that is joined from the fields in Redis without being parsed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from bakehouse.runs import wire
from bakehouse.runs.brief_rows import brief_json
from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.migrations import EARLIER
from bakehouse.runs.record import FORMAT
from bakehouse.runs.run import QueuePlace, Run
from bakehouse.runs.status import TERMINAL

NAMES = dict.fromkeys(Run.model_fields)
# Redis holds each field as JSON, including these.
PRESENT = wire.to_json(FORMAT)
QUEUED = wire.to_json("queued")
OVER = {wire.to_json(status) for status in TERMINAL}


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run as JSON; `members` are the members of the object in their order, each as JSON."""

    members: Mapping[str, str]
    json: bytes
    curve: str = "null"
    """The JSON of the record's curve, which only lists show."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.members["id"].strip('"')

    @property
    def is_over(self) -> bool:
        """Whether the run has succeeded, failed or been cancelled."""
        return self.members["status"] in OVER

    @property
    def is_queued(self) -> bool:
        """Whether the run waits for a worker."""
        return self.members["status"] == QUEUED

    def run(self) -> Run:
        """Returns the run as a model. Raises RecordUnreadable."""
        try:
            return Run.model_validate_json(self.json)
        except ValidationError as error:
            raise RecordUnreadable(self.id) from error


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page of the list of runs, newest first."""

    runs: Sequence[ShownRun]
    has_more: bool

    @property
    def json(self) -> bytes:
        """The page as the JSON of `Page`."""
        return self._join([run.json for run in self.runs])

    @property
    def brief_json(self) -> bytes:
        """The page as the JSON of `BriefPage`."""
        return self._join([brief_json(run.members, run.curve) for run in self.runs])

    def _join(self, runs: Sequence[bytes]) -> bytes:
        first, last = (self.runs[0].id, self.runs[-1].id) if self.runs else (None, None)
        ends = wire.to_json({"has_more": self.has_more, "first_id": first, "last_id": last})
        return b'{"data":[' + b",".join(runs) + f"],{ends[1:]}".encode()


@dataclass(frozen=True)
class CreatedRun:
    """A new run, or the run that the same key created before."""

    run: ShownRun
    replayed: bool


def shown_run(fields: Mapping[str, str], place: QueuePlace | None) -> ShownRun:
    """Joins a run's fields in Redis with its place in the queue. Raises RecordUnreadable."""
    if is_present(fields):
        members = {name: fields[name] for name in NAMES}
        members["queue"] = "null" if place is None else wire.to_json(dict(place))
        # A run that an earlier version began has no curve.
        curve = fields.get("curve", "null")
    else:
        record = wire.decode(fields)
        document = record.public(place).model_dump(mode="json")
        members = {name: wire.to_json(value) for name, value in document.items()}
        curve = wire.to_json(record.curve and record.curve.model_dump())
    text = ",".join([f'"{name}":{value}' for name, value in members.items()])
    try:
        return ShownRun(members, f"{{{text}}}".encode(), curve)
    # Text that is not UTF-8 was decoded into lone surrogates.
    except UnicodeEncodeError as error:
        raise RecordUnreadable(wire.id_in(fields)) from error


def is_present(fields: Mapping[str, str]) -> bool:
    """Returns whether this version wrote all fields; others have to be migrated."""
    # An earlier version may have written to a record of this one, under the old names.
    return fields.get("format") == PRESENT and fields.keys() >= NAMES.keys() and EARLIER.isdisjoint(fields)
