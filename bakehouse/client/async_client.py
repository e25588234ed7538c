"""The client in an event loop: submits recipes to the service, and lists runs, data sets and workers."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Unpack
from urllib.parse import quote
from uuid import uuid4

from bakehouse.access.sent_key import check_key, find_api_key
from bakehouse.client.async_experiment import (
    AblationFields,
    AsyncClientExperiment,
    ExperimentFields,
    ablation_document,
    experiment_document,
    post_document,
)
from bakehouse.client.async_run import AsyncClientRun, RunHandle
from bakehouse.client.comparison import compare
from bakehouse.client.connection import Connection
from bakehouse.client.documents import RecipeSource, read_document, with_name_and_labels
from bakehouse.client.progress_bar import progress_bar
from bakehouse.client.reading import ExperimentState, RecordPage, RunRecord
from bakehouse.client.transport import AsyncTransport, BlockingTransport
from bakehouse.data.listing import DatasetListing, Datasets
from bakehouse.experiments.experiment import Brief as ExperimentBrief
from bakehouse.experiments.experiment import ExperimentPage
from bakehouse.model import JsonObject, Model
from bakehouse.runs.brief import BriefPage, BriefRun
from bakehouse.runs.run import TaskProcess, Worker
from bakehouse.runs.status import Status
from bakehouse.settings import Settings
from bakehouse.study import Studies, Study, StudySummary
from bakehouse.tasks.sample_choices import Split
from bakehouse.tasks.samples import DatasetSamples


class DeletedDataset(Model):
    """The response of `DELETE /v1/datasets/{id}`."""

    id: str
    name: str
    version: int
    bytes_freed: int


class Workers(Model):
    """The response of `GET /v1/workers`."""

    data: tuple[Worker, ...]
    task_processes: tuple[TaskProcess, ...] = ()


AnyPage = TypeVar("AnyPage", RecordPage, BriefPage)
Query = list[tuple[str, str]]
PAGE_SIZE = 100
RUN_ID = re.compile(r"run_[0-9a-z]{12}")
EXPERIMENT_ID = re.compile(r"exp_[0-9a-z]{12}")
# Nobody waits long for a picture. A service without a task process asks for more time than this.
PREVIEW_SECONDS = 3.0


class AsyncClient:
    """A client of the service at `url`, by default BAKEHOUSE_URL or port 8000 of this machine, for an event loop.

    `bakehouse.Client` has the same methods, and makes them from these.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 15.0,
        transport: type[BlockingTransport | AsyncTransport] = AsyncTransport,
    ) -> None:
        """By default the API key is that of BAKEHOUSE_API_KEY or BAKEHOUSE_API_KEY_FILE, if one is set."""
        settings = Settings()
        self.url = url or settings.base_url
        key = find_api_key(settings) if api_key is None else check_key(api_key, "api_key")
        self._connection = Connection(self.url, api_key=key, timeout=timeout, transport=transport)

    async def submit(
        self,
        recipe: RecipeSource,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
    ) -> AsyncClientRun:
        """Queues a recipe, given as a dict or as a file. Of the waiting runs, those of higher priority (-1000 to 1000)
        are claimed first. Raises RecipeRefused, which lists the problems."""
        document = with_name_and_labels(read_document(recipe), name, labels or {})
        # Every repetition of this request sends the same key, so that a lost reply does not create a second run.
        headers = {"Idempotency-Key": str(uuid4())}
        # Services of earlier versions do not know the parameter.
        parameters = {"priority": priority} if priority else {}
        response = await self._connection.request("POST", "/v1/runs", json=document, headers=headers, params=parameters)
        return AsyncClientRun(self._connection, self._connection.parse(RunRecord, response))

    async def validate(self, recipe: RecipeSource) -> JsonObject:
        """Checks a recipe without queueing it; returns its canonical form, advice, layers and estimated size."""
        document = read_document(recipe)
        response = await self._connection.request("POST", "/v1/runs", json=document, params={"validate_only": "true"})
        report: JsonObject = response.json()
        return report

    async def preview(self, recipe: RecipeSource) -> bytes:
        """Returns a picture (PNG) of four training rows, each with the original and eight draws of what the recipe's
        augmentation makes of it. Raises RecipeRefused, and Unavailable if no task process is running."""
        document = read_document(recipe)
        response = await self._connection.request(
            "POST", "/v1/recipes/preview", patience=PREVIEW_SECONDS, json=document, headers={"Accept": "image/png"}
        )
        return response.content

    async def run(self, run_id: str) -> AsyncClientRun:
        """Returns a run that was submitted before. Raises NotFound if there is no such run."""
        # The id comes from the user and must stay one segment of the path.
        record = await self._connection.get(RunRecord, f"/v1/runs/{quote(run_id, safe='')}")
        return AsyncClientRun(self._connection, record)

    async def runs(
        self,
        *,
        status: Status | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        architecture: str | None = None,
        recipe_sha256: str | None = None,
    ) -> AsyncGenerator[AsyncClientRun]:
        """Yields all runs that match, newest first; pages are requested as they are needed."""
        query = list_query(status, labels, dataset=dataset, architecture=architecture, recipe_sha256=recipe_sha256)
        async with aclosing(self._pages(RecordPage, query)) as pages:
            async for page in pages:
                for record in page.data:
                    yield AsyncClientRun(self._connection, record)

    async def brief_runs(
        self,
        *,
        status: Status | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        architecture: str | None = None,
        recipe_sha256: str | None = None,
    ) -> AsyncGenerator[BriefRun]:
        """Yields what a table shows of all runs that match, newest first: a tenth of the bytes of `runs()`."""
        query = list_query(status, labels, dataset=dataset, architecture=architecture, recipe_sha256=recipe_sha256)
        async with aclosing(self._pages(BriefPage, [*query, ("view", "brief")])) as pages:
            async for page in pages:
                for row in page.data:
                    yield row

    async def _pages(self, kind: type[AnyPage], query: Query) -> AsyncGenerator[AnyPage]:
        after: Query = []
        while True:
            params = [*query, *after, ("limit", str(PAGE_SIZE))]
            page = await self._connection.get(kind, "/v1/runs", params=params)
            yield page
            if not page.has_more or page.last_id is None:
                return
            after = [("after", page.last_id)]

    async def experiment(
        self, source: RecipeSource | None = None, **fields: Unpack[ExperimentFields]
    ) -> AsyncClientExperiment:
        """Queues all runs of an experiment, given as a dict, a file or fields: `recipe`, `design`, `seeds` and so on; a
        field replaces that of the dict or file. An id (`exp_...`) returns an experiment that was posted before.

        Raises ExperimentRefused, which lists the problems; then nothing is queued.
        """
        if isinstance(source, str) and EXPERIMENT_ID.fullmatch(source):
            record = await self._connection.get(ExperimentState, f"/v1/experiments/{source}")
            return AsyncClientExperiment(self._connection, record)
        return await self._post_experiment("/v1/experiments", experiment_document(source, fields))

    async def ablate(self, source: RunHandle | RecipeSource, **fields: Unpack[AblationFields]) -> AsyncClientExperiment:
        """Queues an experiment that switches off each ingredient of a recipe alone, and all of them, by default with 5
        seeds. The recipe is a dict, a file, or that of a run or a run's id."""
        run_id = source.id if isinstance(source, RunHandle) else source
        if isinstance(run_id, str) and RUN_ID.fullmatch(run_id):
            return await self._post_experiment(f"/v1/runs/{run_id}/ablate", dict(fields))
        assert not isinstance(source, RunHandle)
        return await self._post_experiment("/v1/experiments", ablation_document(source, fields))

    async def _post_experiment(self, path: str, document: JsonObject) -> AsyncClientExperiment:
        response = await post_document(self._connection, path, document)
        return AsyncClientExperiment(self._connection, self._connection.parse(ExperimentState, response))

    async def validate_experiment(
        self, source: RecipeSource | None = None, **fields: Unpack[ExperimentFields]
    ) -> JsonObject:
        """Checks an experiment without queueing anything; returns its arms and the number of its runs, and of those
        that were finished before."""
        document = experiment_document(source, fields)
        response = await post_document(self._connection, "/v1/experiments", document, params={"validate_only": "true"})
        preview: JsonObject = response.json()
        return preview

    async def experiments(self) -> AsyncGenerator[ExperimentBrief]:
        """Yields what a table shows of all experiments, newest first; `experiment(each.id)` has the rest."""
        after: Query = []
        while True:
            params = [*after, ("limit", str(PAGE_SIZE))]
            page = await self._connection.get(ExperimentPage, "/v1/experiments", params=params)
            for row in page.data:
                yield row
            if not page.has_more or page.last_id is None:
                return
            after = [("after", page.last_id)]

    async def dataset(self, dataset_id: str) -> DatasetListing:
        """Returns a data set. Raises NotFound if there is no such data set."""
        return await self._connection.get(DatasetListing, f"/v1/datasets/{quote(dataset_id, safe='')}")

    async def upload(
        self, path: str | Path, *, name: str | None = None, wait: bool = True, progress: bool | None = None
    ) -> DatasetListing:
        """Uploads a file, or a folder as an archive, and waits until it is inspected. By default the file's name gives
        the name, and a terminal shows a progress bar. The same call again resumes an interrupted upload. An address
        that begins with https:// or s3:// is fetched by the service, if its settings allow that host.

        Raises DatasetRefused if the file cannot be used; its `dataset` says why and where.
        """
        # Most programs upload nothing, and an archive needs modules that take time to import.
        from bakehouse.client.upload import fetch, upload  # noqa: PLC0415

        with progress_bar(is_shown=progress) as report:
            if isinstance(path, str) and "://" in path:
                return await fetch(self._connection, path, name=name, wait=wait, report=report)
            return await upload(self._connection, Path(path), name=name, wait=wait, report=report)

    async def delete_dataset(self, dataset_id: str) -> DeletedDataset:
        """Deletes an uploaded data set. Raises Conflict if runs that are not over need it, or if it was not
        uploaded."""
        response = await self._connection.request("DELETE", f"/v1/datasets/{quote(dataset_id, safe='')}")
        return self._connection.parse(DeletedDataset, response)

    async def samples(
        self, dataset_id: str, *, limit: int = 16, seed: int = 0, split: Split = "train"
    ) -> DatasetSamples:
        """Returns rows of a data set, drawn at random: cells of a table, numbers of sequences, or a picture (PNG in
        base64). Raises NotFound, and Unavailable if no task process is running."""
        params = {"limit": str(limit), "seed": str(seed), "split": split}
        path = f"/v1/datasets/{quote(dataset_id, safe='')}/samples"
        response = await self._connection.request(
            "GET", path, patience=PREVIEW_SECONDS, params=params, headers={"Accept": "application/json"}
        )
        return self._connection.parse(DatasetSamples, response)

    async def datasets(self) -> list[DatasetListing]:
        """Returns the data sets that a recipe can name."""
        return list((await self._connection.get(Datasets, "/v1/datasets")).data)

    async def studies(self) -> list[StudySummary]:
        """Returns the questions of the cookbook, with short answers."""
        return list((await self._connection.get(Studies, "/v1/cookbook")).data)

    async def study(self, name: str) -> Study:
        """Returns a study of the cookbook: its answer, table and recipes. Raises NotFound if there is no such study."""
        return await self._connection.get(Study, f"/v1/cookbook/{quote(name, safe='')}")

    async def workers(self) -> list[Worker]:
        """Returns the worker processes with their devices."""
        return list((await self._connection.get(Workers, "/v1/workers")).data)

    async def compare(self, runs: Iterable[RunHandle | str]) -> list[JsonObject]:
        """Returns a row for each run: the recipe fields that differ between the runs, and the results."""
        ids = [run if isinstance(run, str) else run.id for run in runs]
        return compare([(await self.run(run_id)).record for run_id in ids])

    async def close(self) -> None:
        """Closes all connections."""
        await self._connection.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __str__(self) -> str:
        return str(self._connection)

    def __repr__(self) -> str:
        return f"AsyncClient({self})"


def list_query(status: Status | None, labels: Mapping[str, str] | None, **filters: str | None) -> Query:
    """Returns the parameters of a list of runs."""
    chosen = [(name, value) for name, value in {"status": status, **filters}.items() if value is not None]
    return [*chosen, *(("label", f"{key}:{value}") for key, value in (labels or {}).items())]
