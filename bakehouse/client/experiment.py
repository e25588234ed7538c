"""A handle for one experiment that blocks: the methods of `AsyncClientExperiment`, each of which returns when it is
done."""

from typing import Any

from bakehouse.client.async_experiment import AsyncClientExperiment, ExperimentHandle
from bakehouse.client.blocking import AsyncMethod, Method, Parameters, blocking, describe, returning_self, yielding
from bakehouse.client.errors import ClientError
from bakehouse.client.reading import ExperimentState
from bakehouse.client.transport import finish


def returning_experiment(
    method: AsyncMethod[Parameters, AsyncClientExperiment],
) -> Method[Parameters, "ClientExperiment"]:
    """Returns the method that blocks and returns an experiment whose methods block."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> "ClientExperiment":
        return ClientExperiment(finish(method(self._async, *args, **options)))

    describe(call, method, "ClientExperiment")
    return call


class ClientExperiment(ExperimentHandle):
    """An experiment of the service. `record` is its latest known state; `refresh()` requests the current one."""

    def __init__(self, experiment: AsyncClientExperiment) -> None:
        self._async = experiment

    @property
    def record(self) -> ExperimentState:
        """The latest known state."""
        return self._async.record

    refresh = returning_self(AsyncClientExperiment.refresh)
    results = blocking(AsyncClientExperiment.results)
    stream = yielding(AsyncClientExperiment.stream)
    wait = returning_self(AsyncClientExperiment.wait)
    extend = returning_self(AsyncClientExperiment.extend)
    change = returning_self(AsyncClientExperiment.change)
    cancel = returning_self(AsyncClientExperiment.cancel)
    stop = returning_self(AsyncClientExperiment.stop)
    pause = returning_self(AsyncClientExperiment.pause)
    resume = returning_self(AsyncClientExperiment.resume)
    delete = blocking(AsyncClientExperiment.delete)
    what_if = blocking(AsyncClientExperiment.what_if)
    ensemble = blocking(AsyncClientExperiment.ensemble)
    download_ensemble = blocking(AsyncClientExperiment.download_ensemble)
    report = blocking(AsyncClientExperiment.report)

    def _repr_html_(self) -> str:
        # Only notebooks need what draws.
        from bakehouse.client.experiment_html import experiment_html  # noqa: PLC0415

        try:
            return experiment_html(self, self.results())
        except ClientError as error:
            return experiment_html(self, None, note=str(error))
