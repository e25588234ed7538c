"""A run's log as it comes: resumed where it was cut, without gap or repetition."""

from collections.abc import Iterator
from typing import Any

import httpx
from httpx_sse import EventSource
from pydantic import BaseModel, ConfigDict, ValidationError

from bakehouse.client.connection import LONG_PAUSES, Connection, Patience
from bakehouse.client.errors import ClientError, UnexpectedAnswer, Unreachable

# The service says something every 15 s.
SILENCE_SECONDS = 45.0
NO_CONTENT = 204


class RunEvent(BaseModel):
    """One entry of a run's log. Types and fields that this version does not know come through as they are."""

    model_config = ConfigDict(frozen=True)

    seq: int
    time: str
    attempt: int
    type: str
    data: dict[str, Any]

    @property
    def epoch(self) -> int | None:
        """Of an epoch, a checkpoint."""
        return self.data.get("epoch")

    @property
    def step(self) -> int | None:
        """Of a step, an epoch."""
        return self.data.get("step")

    @property
    def metrics(self) -> dict[str, float | None]:
        """Every number of a step or an epoch but its place among the others; None where it was not finite."""
        lost = self.data.get("non_finite", ())
        places = ("epoch", "step", "epochs_since_best")
        return {
            name: value
            for name, value in self.data.items()
            if name not in places and (name in lost or is_number(value))
        }


def is_number(value: object) -> bool:
    """Python counts true and false among them."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def follow(connection: Connection, run_id: str, *, after: int = 0) -> Iterator[RunEvent]:
    """The events beyond `after` until the run's end."""
    patience = Patience()
    while True:
        try:
            for event in connected(connection, run_id, after):
                after, patience = event.seq, Patience(LONG_PAUSES)
                yield event
                if event.type == "end":
                    return
            patience.after(Unreachable(connection.url, "the stream ended before the run"))
        except NothingMore:
            return
        except ClientError as error:
            patience.after(error)


class NothingMore(Exception):
    """The run is over and all of its log was read."""


def connected(connection: Connection, run_id: str, after: int) -> Iterator[RunEvent]:
    """What comes through one connection."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    with connection.stream(f"/v1/runs/{run_id}/events", headers=headers, read_timeout=SILENCE_SECONDS) as response:
        if response.status_code == NO_CONTENT:
            raise NothingMore
        yield from parsed(response)


def parsed(response: httpx.Response) -> Iterator[RunEvent]:
    """Entries of the log. A reset says that older ones are lost; the newer ones come all the same."""
    for sent in EventSource(response).iter_sse():
        if sent.data and sent.event != "reset":
            try:
                yield RunEvent.model_validate_json(sent.data, extra="ignore")
            except ValidationError as error:
                raise UnexpectedAnswer(str(response.url), error) from error
