"""A handle for one run: its state, events, metrics and checkpoints, and requests to pause, stop or cancel it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

from bakehouse.client.connection import Connection
from bakehouse.client.curve import html
from bakehouse.client.download import download
from bakehouse.client.errors import RunTimeout
from bakehouse.client.events import RunEvent, follow
from bakehouse.model import Model
from bakehouse.runs.run import Best, Checkpoint, Last, Run
from bakehouse.runs.status import Status

MAX_WAIT = 30  # seconds for which the service holds a request


class Checkpoints(Model):
    """The response of `GET /v1/runs/{id}/checkpoints`."""

    data: tuple[Checkpoint, ...]


Action = Literal["cancel", "stop", "pause", "resume"]


class ClientRun:
    """A run of the service. `record` is its latest known state; `refresh()` requests the current one."""

    def __init__(self, connection: Connection, record: Run) -> None:
        self._connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """The run's id: `run_` and 12 characters."""
        return self.record.id

    @property
    def name(self) -> str | None:
        """The recipe's name."""
        return self.record.name

    @property
    def status(self) -> Status:
        """The latest known status."""
        return self.record.status

    @property
    def is_over(self) -> bool:
        """Whether the run has succeeded, failed or been cancelled; this is final."""
        return self.record.is_over

    @property
    def best(self) -> Best | None:
        """The best epoch so far by the monitored metric, with its metrics; when the run is over, also those of the test
        split."""
        return self.record.best

    @property
    def last(self) -> Last | None:
        """The latest epoch, with its metrics."""
        return self.record.last

    def refresh(self) -> Self:
        """Requests the current state and updates `record`."""
        self.record = self._connection.get(Run, self._path())
        return self

    def stream(self, *, after: int = 0) -> Iterator[RunEvent]:
        """Yields the events after number `after` until the run's end; reconnects when the connection is lost."""
        yield from follow(self._connection, self.id, after=after)
        # The record is older than the end of the run.
        self.refresh()

    def wait(self, timeout: float | None = None) -> Self:
        """Waits until the run is over. Raises RunTimeout after `timeout` seconds; the run continues."""
        deadline = None if timeout is None else time.monotonic() + timeout
        etag = ""
        while True:
            left = MAX_WAIT if deadline is None else deadline - time.monotonic()
            # The header takes whole seconds.
            etag = self._wait_for_change(etag, seconds=max(0, min(MAX_WAIT, int(left))))
            if self.is_over:
                return self
            if deadline is not None and time.monotonic() >= deadline:
                raise RunTimeout(self.id, timeout or 0.0)

    def _wait_for_change(self, etag: str, *, seconds: int) -> str:
        # The first request, without an ETag, is answered at once; later ones are held until the run changes.
        headers = {"If-None-Match": etag, "Prefer": f"wait={seconds}"} if etag else {}
        # The service may answer as late as the end of the wait, so the timeout is longer.
        response = self._connection.request("GET", self._path(), headers=headers, timeout=10.0 + seconds)
        # Status 304 means that nothing has changed; it has no body.
        if response.is_success:
            self.record = self._connection.parse(Run, response)
        return str(response.headers.get("etag", etag))

    def history(self) -> list[dict[str, float | None]]:
        """Returns a row for each epoch: its number and its metrics."""
        columns = self._connection.request("GET", self._path("/metrics")).json()["epochs"]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def checkpoints(self) -> list[Checkpoint]:
        """Returns the checkpoints that can be downloaded."""
        return list(self._connection.get(Checkpoints, self._path("/checkpoints")).data)

    def best_checkpoint(self) -> Checkpoint:
        """Returns the checkpoint of the best epoch. Raises NotFound before the first epoch."""
        return self._connection.get(Checkpoint, self._path("/checkpoints/best"))

    def download_best(self, path: str | Path) -> Path:
        """Saves the best weights as a safetensors file; resumes an interrupted download and verifies the digest."""
        return self.download(self.best_checkpoint(), path)

    def download(self, checkpoint: Checkpoint, path: str | Path) -> Path:
        """Saves the weights of one checkpoint as `download_best` does."""
        return download(self._connection, self.id, checkpoint, Path(path))

    def cancel(self) -> Self:
        """Ends the run within a second; its checkpoints are kept."""
        return self._request_action("cancel")

    def stop(self) -> Self:
        """Finishes the run now, with its best weights as the result."""
        return self._request_action("stop")

    def pause(self) -> Self:
        """Pauses the run, which frees its worker until `resume()`."""
        return self._request_action("pause")

    def resume(self) -> Self:
        """Queues a paused run; it continues where it was paused."""
        return self._request_action("resume")

    def _request_action(self, action: Action) -> Self:
        self.record = self._connection.parse(Run, self._connection.request("POST", self._path(f"/{action}")))
        return self

    def retry(self) -> "ClientRun":
        """Submits the same recipe as a new run."""
        return self._repeat("retry")

    def verify(self) -> "ClientRun":
        """Submits a run that repeats this one, killed and resumed half-way; `record.verification` has its verdict."""
        return self._repeat("verify")

    def _repeat(self, action: Literal["retry", "verify"]) -> "ClientRun":
        headers = {"Idempotency-Key": str(uuid4())}
        response = self._connection.request("POST", self._path(f"/{action}"), headers=headers)
        return ClientRun(self._connection, self._connection.parse(Run, response))

    def _path(self, suffix: str = "") -> str:
        return f"/v1/runs/{self.id}{suffix}"

    def __repr__(self) -> str:
        return f"<run {self.id} {self.status}>"

    def _repr_html_(self) -> str:
        return html(self.record, self.history())
