"""Encodes events as frames of server-sent events; a frame is encoded once, however many clients get it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from bakehouse.runs.run import Event, EventType
from bakehouse.runs.stream_entries import Change, StoredEvent, stream_position

# Pages see events but no comments. It has no data, so that clients which do not know it ignore it.
HEARTBEAT = b"event: heartbeat\ndata:\n\n"

SharedEventType = EventType | Literal["deleted", "dataset"]


class RunEvent(Event):
    """An event with the id of its run, for a stream of several runs."""

    type: SharedEventType  # type: ignore[assignment]
    """As in the log of a run, or `deleted`: the run, with its log, has been deleted."""
    run_id: str


class DatasetEvent(Event):
    """An event of an uploaded data set, with its id: its status, and how far the upload or the inspection has come."""

    type: Literal["dataset"]  # type: ignore[assignment]
    dataset_id: str


@dataclass(frozen=True)
class PublishedEvent:
    """An event for all subscribers."""

    change: Change
    event: StoredEvent

    @cached_property
    def position(self) -> tuple[int, int]:
        """The place in the change stream."""
        return stream_position(self.change.id)

    @cached_property
    def shared_frame(self) -> bytes:
        """The frame for a stream of several runs."""
        whose = "dataset_id" if self.event.type == "dataset" else "run_id"
        event = f'{self.event.json.removesuffix("}")},"{whose}":"{self.change.run_id}"}}'
        return encode_frame(self.change.id, self.event.type, event)


@dataclass(frozen=True)
class Batch:
    """Events that are delivered together, in order; none for a heartbeat. Readers of equal selection share the batch,
    so their frames are joined once."""

    items: Sequence[PublishedEvent]

    def after_seq(self, seq: int) -> "Batch":
        """Returns the events of one run after a number; the same batch if these are all."""
        if not self.items or self.items[0].event.seq > seq:
            return self
        return Batch([item for item in self.items if item.event.seq > seq])

    def after(self, position: tuple[int, int]) -> "Batch":
        """Returns the events after a place in the change stream; the same batch if these are all."""
        if not self.items or self.items[0].position > position:
            return self
        return Batch([item for item in self.items if item.position > position])

    @cached_property
    def run_frames(self) -> bytes:
        """The frames for the stream of one run."""
        return run_frames(item.event for item in self.items)

    @cached_property
    def shared_frames(self) -> bytes:
        """The frames for a stream of several runs."""
        return b"".join(item.shared_frame for item in self.items)

    @property
    def is_last(self) -> bool:
        """Whether the events of one run end with its last."""
        return bool(self.items) and self.items[-1].event.type == "end"

    @cached_property
    def is_gapless(self) -> bool:
        """Whether the events of one run have consecutive numbers."""
        return all(later.event.seq == item.event.seq + 1 for item, later in pairwise(self.items))

    def continues(self, seq: int) -> bool:
        """Returns whether the events of one run, if any, continue directly after a number."""
        return not self.items or (self.items[0].event.seq == seq + 1 and self.is_gapless)


def run_frames(events: Iterable[StoredEvent]) -> bytes:
    """Returns the frames for the stream of one run."""
    return b"".join(encode_frame(str(event.seq), event.type, event.json) for event in events)


def encode_frame(event_id: str, kind: str, data: str) -> bytes:
    """Encodes one frame. Its JSON has no raw line breaks, which would end the frame."""
    return f"id: {event_id}\nevent: {kind}\ndata: {data}\n\n".encode()


def reset_frame(snapshot: str, *, event_id: str) -> bytes:
    """Returns a frame that tells the client that events are missing. The client must read the address `snapshot`
    again, which is relative to that of the stream; then the stream continues."""
    return encode_frame(event_id, "reset", json.dumps({"snapshot": snapshot}))
