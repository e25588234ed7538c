"""Streams the events of all runs of an experiment; an interrupted stream resumes without a gap or a repetition."""

import time
from collections.abc import AsyncGenerator
from typing import Literal
from urllib.parse import urlencode

from bakehouse.client.connection import LONG_RETRY_DELAYS, Connection, Retries
from bakehouse.client.errors import ClientError, ExperimentTimeout, Unreachable
from bakehouse.client.events import READ_SECONDS, RunEvent, parse_event

Notice = Literal["read", "quiet"]
"""Told in place of an event: `read` if there may be changes that no event will tell, so that the experiment has to be
read now; `quiet` at times while nothing happens."""
LATENESS = 1.0
"""The seconds by which a timeout may come late."""


class ExperimentEvent(RunEvent):
    """An event of the log of one run, with the run that it belongs to, as the stream of an experiment sends it."""

    run_id: str


class Deadline:
    """The time at which to give up following an experiment."""

    def __init__(self, experiment_id: str, timeout: float | None) -> None:
        self.experiment_id = experiment_id
        self.timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    @property
    def left(self) -> float:
        """The seconds that are left. Raises ExperimentTimeout if there are none."""
        if self._end is None or self.timeout is None:
            return READ_SECONDS
        left = self._end - time.monotonic()
        if left <= 0:
            raise ExperimentTimeout(self.experiment_id, self.timeout)
        return left


async def follow_runs(
    connection: Connection, experiment_id: str, *, types: tuple[str, ...], deadline: Deadline
) -> AsyncGenerator[ExperimentEvent | Notice]:
    """Yields new events of the runs and, first and now and then, a notice; reconnects as often as needed. Raises
    ExperimentTimeout."""
    path = f"/v1/experiments/{experiment_id}/events?{urlencode([('type', each) for each in types])}"
    retries = Retries()
    after = ""
    # The service asks each of its streams for another pause, which spreads the return of many clients.
    pause = 0.0
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": after}
        patience = min(READ_SECONDS, deadline.left)
        try:
            async with connection.stream(path, headers=headers, read_timeout=patience) as response:
                async for message in connection.transport.iter_messages(response):
                    # The first message has only the id from which the stream can be resumed.
                    is_first = not after
                    after = message.id or after
                    pause = pause if message.retry is None else message.retry / 1000
                    # The connection worked, so the next interruption gets all delays again.
                    retries = Retries(LONG_RETRY_DELAYS, at_least=pause)
                    if is_first or message.event == "reset":
                        yield "read"
                    elif message.data:
                        yield parse_event(ExperimentEvent, message, response)
                    else:
                        yield "quiet"
                    if patience > deadline.left + LATENESS:
                        break
                else:
                    raise Unreachable(connection.url, "the stream ended before the experiment was over")
        except ClientError as error:
            # A read that took all the time that was left ends here too.
            left = deadline.left
            await connection.transport.sleep(min(left, retries.delay_or_raise(error)))
