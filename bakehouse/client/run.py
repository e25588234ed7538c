"""A run of the service, as one holds it in a notebook."""

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
from bakehouse.runs.run import Best, Checkpoint, Run, Status

MAX_WAIT = 30


class Checkpoints(Model):
    """What `GET /v1/runs/{id}/checkpoints` answers."""

    data: tuple[Checkpoint, ...]


Action = Literal["cancel", "stop", "pause", "resume"]


class ClientRun:
    """A handle. `record` is what was last heard of the run; `refresh()` asks again."""

    def __init__(self, connection: Connection, record: Run) -> None:
        self._connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """`run_` and 12 characters."""
        return self.record.id

    @property
    def name(self) -> str | None:
        """As the recipe says."""
        return self.record.name

    @property
    def status(self) -> Status:
        """As last heard."""
        return self.record.status

    @property
    def is_over(self) -> bool:
        """As last heard; what is over stays as it is."""
        return self.record.is_over

    @property
    def best(self) -> Best | None:
        """The epoch that early stopping would keep, as last heard."""
        return self.record.best

    @property
    def metrics(self) -> dict[str, float | None]:
        """The latest epoch's, as last heard; after the end also the test split's."""
        return self.record.metrics

    def refresh(self) -> Self:
        """Asks what has become of it."""
        self.record = self._connection.get(Run, self._path())
        return self

    def stream(self, *, after: int = 0) -> Iterator[RunEvent]:
        """Every event beyond `after` until the run's end; resumes by itself."""
        yield from follow(self._connection, self.id, after=after)
        self.refresh()

    def wait(self, timeout: float | None = None) -> Self:
        """Until the run is over. Raises RunTimeout after `timeout` seconds; the run goes on."""
        until = None if timeout is None else time.monotonic() + timeout
        etag = ""
        while True:
            left = MAX_WAIT if until is None else until - time.monotonic()
            etag = self._look(etag, wait=max(0, min(MAX_WAIT, int(left))))
            if self.is_over:
                return self
            if until is not None and time.monotonic() >= until:
                raise RunTimeout(self.id, timeout or 0.0)

    def _look(self, etag: str, *, wait: int) -> str:
        """One GET that is held until something changes."""
        headers = {"If-None-Match": etag, "Prefer": f"wait={wait}"} if etag else {}
        response = self._connection.request("GET", self._path(), headers=headers, timeout=10.0 + wait)
        if response.is_success:
            self.record = self._connection.parse(Run, response)
        return str(response.headers.get("etag", etag))

    def history(self) -> list[dict[str, float | None]]:
        """A row an epoch: its number and its metrics."""
        columns = self._connection.request("GET", self._path("/metrics")).json()["epochs"]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def checkpoints(self) -> list[Checkpoint]:
        """What can be downloaded."""
        return list(self._connection.get(Checkpoints, self._path("/checkpoints")).data)

    def best_checkpoint(self) -> Checkpoint:
        """The one that early stopping would keep; NotFound before the first."""
        return self._connection.get(Checkpoint, self._path("/checkpoints/best"))

    def download_best(self, path: str | Path) -> Path:
        """The best weights as a safetensors file: resumed where it was cut, verified, then renamed."""
        return self.download(self.best_checkpoint(), path)

    def download(self, checkpoint: Checkpoint, path: str | Path) -> Path:
        """One checkpoint's weights, in the same way."""
        return download(self._connection, self.id, checkpoint, Path(path))

    def cancel(self) -> Self:
        """Ends it within a second; its checkpoints stay."""
        return self._ask("cancel")

    def stop(self) -> Self:
        """Finishes now and keeps the best."""
        return self._ask("stop")

    def pause(self) -> Self:
        """Gives its worker back until `resume()`."""
        return self._ask("pause")

    def resume(self) -> Self:
        """Goes on where it was paused."""
        return self._ask("resume")

    def _ask(self, action: Action) -> Self:
        self.record = self._connection.parse(Run, self._connection.request("POST", self._path(f"/{action}")))
        return self

    def retry(self) -> "ClientRun":
        """A new run of the same recipe."""
        headers = {"Idempotency-Key": str(uuid4())}
        response = self._connection.request("POST", self._path("/retry"), headers=headers)
        return ClientRun(self._connection, self._connection.parse(Run, response))

    def _path(self, below: str = "") -> str:
        return f"/v1/runs/{self.id}{below}"

    def __repr__(self) -> str:
        return f"<run {self.id} {self.status}>"

    def _repr_html_(self) -> str:
        return html(self.record, self.history())
