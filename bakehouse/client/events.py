"""Streams a run's events as they happen; an interrupted stream resumes without a gap or a repetition."""

from collections.abc import AsyncGenerator
from typing import TypeVar

import httpx
from httpx_sse import ServerSentEvent
from pydantic import BaseModel, ConfigDict, ValidationError

from bakehouse.client.connection import LONG_RETRY_DELAYS, Connection, Retries
from bakehouse.client.errors import ClientError, UnexpectedAnswer, Unreachable
from bakehouse.model import JsonObject

READ_SECONDS = 45.0  # the service sends a heartbeat every 15 s
POSITIONS = ("epoch", "step", "epochs_since_best")


class RunEvent(BaseModel):
    """One event of a run's log. Types and fields that this version does not know are passed through."""

    model_config = ConfigDict(frozen=True)

    seq: int
    time: str
    attempt: int
    type: str
    data: JsonObject

    @property
    def epoch(self) -> int | None:
        """The epoch of an event of type `epoch`, `step` or `checkpoint`."""
        return self.data.get("epoch")

    @property
    def step(self) -> int | None:
        """The step of an event of type `step` or `epoch`."""
        return self.data.get("step")

    @property
    def metrics(self) -> dict[str, float | None]:
        """The numbers of a step or an epoch except counts of epochs and steps; a number that is not finite is None."""
        non_finite = self.data.get("non_finite", ())
        return {
            name: value
            for name, value in self.data.items()
            if name not in POSITIONS and (name in non_finite or is_number(value))
        }


AnyEvent = TypeVar("AnyEvent", bound=RunEvent)


def is_number(value: object) -> bool:
    # A bool is an int in Python.
    return isinstance(value, int | float) and not isinstance(value, bool)


async def follow(connection: Connection, run_id: str, *, after: int = 0) -> AsyncGenerator[RunEvent]:
    """Yields the events after number `after` until the run's end, and reconnects as often as needed."""
    path = f"/v1/runs/{run_id}/events"
    retries = Retries()
    # The service asks each of its streams for another pause, which spreads the return of many clients.
    pause = 0.0
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        try:
            async with connection.stream(path, headers=headers, read_timeout=READ_SECONDS) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return  # the run is over and `after` was its last event
                async for message in connection.transport.iter_messages(response):
                    pause = pause if message.retry is None else message.retry / 1000
                    # A heartbeat has no data. `reset` only announces that older events are lost.
                    if not message.data or message.event == "reset":
                        continue
                    event = parse_event(RunEvent, message, response)
                    after = event.seq
                    # The connection worked, so the next interruption gets all delays again.
                    retries = Retries(LONG_RETRY_DELAYS, at_least=pause)
                    yield event
                    if event.type == "end":
                        return
            # A service that shuts down ends its streams in the middle of a run.
            raise Unreachable(connection.url, "the stream ended before the run was over")
        except ClientError as error:
            await connection.transport.sleep(retries.delay_or_raise(error))


def parse_event(kind: type[AnyEvent], message: ServerSentEvent, response: httpx.Response) -> AnyEvent:
    """Parses the data of a message."""
    try:
        return kind.model_validate_json(message.data, extra="ignore")
    except ValidationError as error:
        raise UnexpectedAnswer(response, error) from error
