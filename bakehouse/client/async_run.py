"""A handle for one run in an event loop: its state, events, metrics and checkpoints, and requests to change it."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self, overload
from uuid import uuid4

from bakehouse.client.connection import Connection
from bakehouse.client.curve import Row, html
from bakehouse.client.download import download
from bakehouse.client.errors import RecipeRefused, RunTimeout
from bakehouse.client.events import RunEvent, follow
from bakehouse.client.prediction import Rows, as_frame, is_frame, list_rows, parts_of, with_own_places
from bakehouse.client.reading import RunRecord
from bakehouse.model import Model
from bakehouse.runs.run import Best, Checkpoint, Last
from bakehouse.runs.split import RunSplit
from bakehouse.runs.status import Status
from bakehouse.tasks.predictions import Prediction, PredictionAnswer
from bakehouse.what_if import WhatIf

MAX_WAIT = 30  # seconds for which the service holds a request


class Checkpoints(Model):
    """The response of `GET /v1/runs/{id}/checkpoints`."""

    data: tuple[Checkpoint, ...]


Action = Literal["cancel", "stop", "pause", "resume"]


class RunHandle(ABC):
    """What is known of a run, whether its methods block or are coroutines."""

    @property
    @abstractmethod
    def record(self) -> RunRecord:
        """The latest known state."""

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
        """The latest known status; another text if only a newer version knows it."""
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

    def __repr__(self) -> str:
        run = self.record
        name = f" {run.name!r}" if run.name else ""
        best = f", best epoch {run.best.epoch}: {run.best.monitor} {run.best.value:.4g}" if run.best else ""
        epochs = f"epoch {run.progress.epoch} of {run.progress.epochs}"
        return f"{type(self).__name__}({run.id}{name}, {run.status}, {epochs}{best})"


class AsyncClientRun(RunHandle):
    """A run of the service. `record` is its latest known state; `await refresh()` requests the current one."""

    def __init__(self, connection: Connection, record: RunRecord) -> None:
        self._connection = connection
        self._record = record
        self._rows: list[Row] = []

    @property
    def record(self) -> RunRecord:
        """The latest known state."""
        return self._record

    async def refresh(self) -> Self:
        """Requests the current state and updates `record`."""
        self._record = await self._connection.get(RunRecord, self._path())
        return self

    async def stream(self, *, after: int = 0) -> AsyncGenerator[RunEvent]:
        """Yields the events after number `after` until the run's end; reconnects when the connection is lost."""
        async with aclosing(follow(self._connection, self.id, after=after)) as events:
            async for event in events:
                yield event
        # The record is older than the end of the run.
        await self.refresh()

    async def wait(self, timeout: float | None = None) -> Self:  # noqa: ASYNC109 - the service holds the requests
        """Waits until the run is over. Raises RunTimeout after `timeout` seconds; the run continues."""
        deadline = None if timeout is None else time.monotonic() + timeout
        etag = ""
        while True:
            left = MAX_WAIT if deadline is None else deadline - time.monotonic()
            # The header takes whole seconds; the last part of one is waited for here.
            if etag and 0 < left < 1:
                await self._connection.transport.sleep(left)
            etag = await self._wait_for_change(etag, seconds=max(0, min(MAX_WAIT, int(left))))
            if self.is_over:
                return self
            if deadline is not None and time.monotonic() >= deadline:
                raise RunTimeout(self.id, timeout or 0.0)

    async def _wait_for_change(self, etag: str, *, seconds: int) -> str:
        # The first request, without an ETag, is answered at once; later ones are held until the run changes.
        headers = {"If-None-Match": etag, "Prefer": f"wait={seconds}"} if etag else {}
        # The service may answer as late as the end of the wait, so the timeout is longer.
        response = await self._connection.request("GET", self._path(), headers=headers, timeout=10.0 + seconds)
        # Status 304 means that nothing has changed; it has no body.
        if response.is_success:
            self._record = self._connection.parse(RunRecord, response)
        return str(response.headers.get("etag", etag))

    @overload
    async def history(self, *, pandas: Literal[False] = False) -> list[Row]: ...
    @overload
    async def history(self, *, pandas: Literal[True]) -> Any: ...
    async def history(self, *, pandas: bool = False) -> Any:
        """Returns a row for each epoch: its number and its metrics. With `pandas`, which must be installed, returns the
        rows as a DataFrame."""
        # Imported first: without pandas there is nothing to ask for.
        frame = import_module("pandas").DataFrame if pandas else list
        columns = (await self._connection.request("GET", self._path("/metrics"))).json()["epochs"]
        self._rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return frame(self._rows)

    async def what_if(self, early_stopping: Sequence[object]) -> WhatIf:
        """Returns what other settings of early stopping would have done to this run, each written as in a recipe: 5 is
        a patience of 5. Raises Conflict before the first epoch."""
        question = {"early_stopping": list(early_stopping)}
        response = await self._connection.request("POST", self._path("/what-if"), json=question)
        return self._connection.parse(WhatIf, response)

    async def log(self, *, attempt: int | None = None) -> str:
        """Returns what the training process of an attempt wrote, by default of the latest one, with the traceback of an
        unforeseen error. Raises NotFound before the first attempt."""
        parameters = {} if attempt is None else {"attempt": attempt}
        return (await self._connection.request("GET", self._path("/log"), params=parameters)).text

    async def split(self) -> RunSplit:
        """Returns which rows of the data set are the training, validation and test split. Raises Conflict if the data
        set has changed since the run was submitted."""
        return await self._connection.get(RunSplit, self._path("/split"))

    async def split_npz(self) -> bytes:
        """Returns the same rows as an `.npz` file; for a data set of more than a million rows there is only this."""
        response = await self._connection.request("GET", self._path("/split"), params={"format": "npz"})
        return response.content

    async def checkpoints(self) -> list[Checkpoint]:
        """Returns the checkpoints that can be downloaded."""
        return list((await self._connection.get(Checkpoints, self._path("/checkpoints"))).data)

    async def best_checkpoint(self) -> Checkpoint:
        """Returns the checkpoint of the best epoch. Raises NotFound before the first epoch."""
        return await self._connection.get(Checkpoint, self._path("/checkpoints/best"))

    async def download_best(self, path: str | Path) -> Path:
        """Saves the best weights as a safetensors file; resumes an interrupted download and verifies the digest."""
        return await self.download(await self.best_checkpoint(), path)

    async def download(self, checkpoint: Checkpoint, path: str | Path) -> Path:
        """Saves the weights of one checkpoint as `download_best` does."""
        return await download(self._connection, self.id, checkpoint, Path(path))

    @overload
    async def predict(self, rows: Rows, *, epoch: int | str = "best") -> list[Prediction]: ...
    @overload
    async def predict(self, rows: Any, *, epoch: int | str = "best") -> Any: ...
    async def predict(self, rows: Any, *, epoch: int | str = "best") -> Any:
        """Returns what the model predicts for rows as the data set has them: objects by the names of the columns, or
        lists. Of a DataFrame of pandas, returns a DataFrame. `epoch` is an epoch, `best` or `last`. Raises
        RecipeRefused, with a pointer to each bad cell."""
        listed = list_rows(rows)
        steps = self.record.plain_recipe["dataset"].get("sequence")
        predictions: list[Prediction] = []
        for places in parts_of(listed, None if steps is None else steps["id"]):
            body = json.dumps({"rows": [listed[place] for place in places]}).encode()
            try:
                predictions += await self.predict_file(body, "application/json", epoch=epoch)
            except RecipeRefused as error:
                raise with_own_places(error, places) from error
        return as_frame(predictions, rows) if is_frame(rows) else predictions

    async def predict_file(self, content: bytes, media_type: str, *, epoch: int | str = "best") -> Sequence[Prediction]:
        """Returns what the model predicts for a picture (`image/png`, `image/jpeg`), or for the rows of an NPZ file
        (`application/x-npz`)."""
        path = self._path(f"/checkpoints/{epoch}/predict")
        headers = {"Content-Type": media_type}
        response = await self._connection.request("POST", path, content=content, headers=headers)
        return self._connection.parse(PredictionAnswer, response).predictions

    async def cancel(self) -> Self:
        """Ends the run within a second; its checkpoints are kept."""
        return await self._request_action("cancel")

    async def stop(self) -> Self:
        """Finishes the run now, with its best weights as the result."""
        return await self._request_action("stop")

    async def pause(self) -> Self:
        """Pauses the run, which frees its worker until `resume()`."""
        return await self._request_action("pause")

    async def resume(self) -> Self:
        """Queues a paused run; it continues where it was paused."""
        return await self._request_action("resume")

    async def _request_action(self, action: Action) -> Self:
        response = await self._connection.request("POST", self._path(f"/{action}"))
        self._record = self._connection.parse(RunRecord, response)
        return self

    async def set_priority(self, priority: int) -> Self:
        """Gives a queued or paused run another priority, from -1000 to 1000; higher ones are claimed first."""
        response = await self._connection.request("PATCH", self._path(), json={"priority": priority})
        self._record = self._connection.parse(RunRecord, response)
        return self

    async def retry(self) -> "AsyncClientRun":
        """Submits the same recipe as a new run."""
        return await self._create("/retry")

    async def verify(self) -> "AsyncClientRun":
        """Submits a run that repeats this one, killed and resumed half-way; `record.verification` has its verdict."""
        return await self._create("/verify")

    async def fork(self, changes: Mapping[str, object] | None = None) -> "AsyncClientRun":
        """Submits a run that starts with the best weights of this one, which must be over. `changes` is merged into
        the recipe: `{"optimizer": {"lr": 1e-4}}` changes one field, and null removes one."""
        return await self._create("/fork", json=dict(changes or {}))

    async def _create(self, suffix: str, **options: Any) -> "AsyncClientRun":
        headers = {"Idempotency-Key": str(uuid4())}
        response = await self._connection.request("POST", self._path(suffix), headers=headers, **options)
        return AsyncClientRun(self._connection, self._connection.parse(RunRecord, response))

    def _path(self, suffix: str = "") -> str:
        return f"/v1/runs/{self.id}{suffix}"

    def _repr_html_(self) -> str:
        # A notebook does not wait for coroutines.
        note = "" if self._rows else "`await run.history()` loads the curve"
        return html(self.record, self._rows, note=note)
