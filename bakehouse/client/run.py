"""A handle for one run that blocks: the methods of `AsyncClientRun`, each of which returns when it is done."""

from collections.abc import Iterator
from typing import Any

from bakehouse.client.async_run import AsyncClientRun, RunHandle
from bakehouse.client.blocking import (
    AsyncMethod,
    GeneratorMethod,
    Method,
    Parameters,
    blocking,
    describe,
    returning_self,
    yielding,
)
from bakehouse.client.curve import html
from bakehouse.client.errors import ClientError
from bakehouse.client.reading import RunRecord
from bakehouse.client.transport import finish, iterate


def returning_run(method: AsyncMethod[Parameters, AsyncClientRun]) -> Method[Parameters, "ClientRun"]:
    """Returns the method that blocks and returns a run whose methods block."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> "ClientRun":
        return ClientRun(finish(method(self._async, *args, **options)))

    describe(call, method, "ClientRun")
    return call


def yielding_runs(method: GeneratorMethod[Parameters, AsyncClientRun]) -> Method[Parameters, "Iterator[ClientRun]"]:
    """Returns the method that yields runs whose methods block."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> Iterator["ClientRun"]:
        return map(ClientRun, iterate(method(self._async, *args, **options)))

    describe(call, method, "Iterator[ClientRun]")
    return call


class ClientRun(RunHandle):
    """A run of the service. `record` is its latest known state; `refresh()` requests the current one."""

    def __init__(self, run: AsyncClientRun) -> None:
        self._async = run

    @property
    def record(self) -> RunRecord:
        """The latest known state."""
        return self._async.record

    refresh = returning_self(AsyncClientRun.refresh)
    stream = yielding(AsyncClientRun.stream)
    wait = returning_self(AsyncClientRun.wait)
    history = blocking(AsyncClientRun.history)
    what_if = blocking(AsyncClientRun.what_if)
    log = blocking(AsyncClientRun.log)
    split = blocking(AsyncClientRun.split)
    split_npz = blocking(AsyncClientRun.split_npz)
    checkpoints = blocking(AsyncClientRun.checkpoints)
    best_checkpoint = blocking(AsyncClientRun.best_checkpoint)
    download_best = blocking(AsyncClientRun.download_best)
    download = blocking(AsyncClientRun.download)
    predict = blocking(AsyncClientRun.predict)
    predict_file = blocking(AsyncClientRun.predict_file)
    cancel = returning_self(AsyncClientRun.cancel)
    stop = returning_self(AsyncClientRun.stop)
    pause = returning_self(AsyncClientRun.pause)
    resume = returning_self(AsyncClientRun.resume)
    set_priority = returning_self(AsyncClientRun.set_priority)
    retry = returning_run(AsyncClientRun.retry)
    verify = returning_run(AsyncClientRun.verify)
    fork = returning_run(AsyncClientRun.fork)

    def _repr_html_(self) -> str:
        try:
            return html(self.record, self.history())
        except ClientError as error:
            return html(self.record, [], note=str(error))
