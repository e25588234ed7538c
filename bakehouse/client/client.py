"""The client that blocks: the methods of `AsyncClient`, each of which returns when it is done."""

from types import TracebackType
from typing import Self

from bakehouse.client.async_client import AsyncClient
from bakehouse.client.blocking import blocking, yielding
from bakehouse.client.experiment import returning_experiment
from bakehouse.client.run import returning_run, yielding_runs
from bakehouse.client.transport import BlockingTransport


class Client:
    """A client of the service at `url`, by default BAKEHOUSE_URL or port 8000 of this machine. Threads may share it."""

    def __init__(self, url: str | None = None, *, api_key: str | None = None, timeout: float = 15.0) -> None:
        """By default the API key is that of BAKEHOUSE_API_KEY or BAKEHOUSE_API_KEY_FILE, if one is set."""
        self._async = AsyncClient(url, api_key=api_key, timeout=timeout, transport=BlockingTransport)
        self.url = self._async.url

    submit = returning_run(AsyncClient.submit)
    validate = blocking(AsyncClient.validate)
    preview = blocking(AsyncClient.preview)
    run = returning_run(AsyncClient.run)
    runs = yielding_runs(AsyncClient.runs)
    brief_runs = yielding(AsyncClient.brief_runs)
    experiment = returning_experiment(AsyncClient.experiment)
    ablate = returning_experiment(AsyncClient.ablate)
    validate_experiment = blocking(AsyncClient.validate_experiment)
    experiments = yielding(AsyncClient.experiments)
    dataset = blocking(AsyncClient.dataset)
    samples = blocking(AsyncClient.samples)
    datasets = blocking(AsyncClient.datasets)
    upload = blocking(AsyncClient.upload)
    delete_dataset = blocking(AsyncClient.delete_dataset)
    studies = blocking(AsyncClient.studies)
    study = blocking(AsyncClient.study)
    workers = blocking(AsyncClient.workers)
    compare = blocking(AsyncClient.compare)
    close = blocking(AsyncClient.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._async})"
