"""The client: submits recipes to the service, and lists runs, data sets and workers."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

from bakehouse.client.comparison import compare
from bakehouse.client.connection import Connection
from bakehouse.client.run import ClientRun
from bakehouse.model import JsonObject, Model
from bakehouse.plan.card import DatasetListing
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import parse_json
from bakehouse.runs.brief import BriefPage, BriefRun
from bakehouse.runs.run import Page, Run, Worker
from bakehouse.runs.status import Status
from bakehouse.settings import Settings


class Datasets(Model):
    """The response of `GET /v1/datasets`."""

    data: tuple[DatasetListing, ...]


class Workers(Model):
    """The response of `GET /v1/workers`."""

    data: tuple[Worker, ...]


AnyPage = TypeVar("AnyPage", Page, BriefPage)
Query = list[tuple[str, str]]
RecipeSource = Mapping[str, object] | str | Path
PAGE_SIZE = 100


class Client:
    """A client of the service at `url`, by default BAKEHOUSE_URL or port 8000 of this machine. Threads may share it."""

    def __init__(self, url: str | None = None, *, timeout: float = 15.0) -> None:
        self.url = url or Settings().base_url
        self._connection = Connection(self.url, timeout=timeout)

    def submit(
        self, recipe: RecipeSource, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> ClientRun:
        """Queues a recipe, given as a dict or as a file. Raises RecipeRefused, which lists the problems."""
        document = with_name_and_labels(read_document(recipe), name, labels or {})
        # Every repetition of this request sends the same key, so that a lost reply does not create a second run.
        headers = {"Idempotency-Key": str(uuid4())}
        response = self._connection.request("POST", "/v1/runs", json=document, headers=headers)
        return ClientRun(self._connection, self._connection.parse(Run, response))

    def validate(self, recipe: RecipeSource) -> JsonObject:
        """Checks a recipe without queueing it; returns its canonical form, advice, layers and estimated size."""
        document = read_document(recipe)
        response = self._connection.request("POST", "/v1/runs", json=document, params={"validate_only": "true"})
        report: JsonObject = response.json()
        return report

    def run(self, run_id: str) -> ClientRun:
        """Returns a run that was submitted before. Raises NotFound if there is no such run."""
        # The id comes from the user and must stay one segment of the path.
        return ClientRun(self._connection, self._connection.get(Run, f"/v1/runs/{quote(run_id, safe='')}"))

    def runs(
        self,
        *,
        status: Status | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        architecture: str | None = None,
        recipe_sha256: str | None = None,
    ) -> Iterator[ClientRun]:
        """Yields all runs that match, newest first; pages are requested as they are needed."""
        query = list_query(status, labels, dataset=dataset, architecture=architecture, recipe_sha256=recipe_sha256)
        for page in self._pages(Page, query):
            yield from (ClientRun(self._connection, record) for record in page.data)

    def brief_runs(
        self,
        *,
        status: Status | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        architecture: str | None = None,
        recipe_sha256: str | None = None,
    ) -> Iterator[BriefRun]:
        """Yields what a table shows of all runs that match, newest first: a tenth of the bytes of `runs()`."""
        query = list_query(status, labels, dataset=dataset, architecture=architecture, recipe_sha256=recipe_sha256)
        for page in self._pages(BriefPage, [*query, ("view", "brief")]):
            yield from page.data

    def _pages(self, kind: type[AnyPage], query: Query) -> Iterator[AnyPage]:
        after: Query = []
        while True:
            page = self._connection.get(kind, "/v1/runs", params=[*query, *after, ("limit", str(PAGE_SIZE))])
            yield page
            if not page.has_more or page.last_id is None:
                return
            after = [("after", page.last_id)]

    def datasets(self) -> list[DatasetListing]:
        """Returns the data sets that a recipe can name."""
        return list(self._connection.get(Datasets, "/v1/datasets").data)

    def workers(self) -> list[Worker]:
        """Returns the worker processes with their devices."""
        return list(self._connection.get(Workers, "/v1/workers").data)

    def compare(self, runs: Iterable[ClientRun | str]) -> list[JsonObject]:
        """Returns a row for each run: the recipe fields that differ between the runs, and the results."""
        refreshed = [self.run(run) if isinstance(run, str) else run.refresh() for run in runs]
        return compare([run.record for run in refreshed])

    def close(self) -> None:
        """Closes all connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def list_query(status: Status | None, labels: Mapping[str, str] | None, **filters: str | None) -> Query:
    """Returns the parameters of a list of runs."""
    chosen = [(name, value) for name, value in {"status": status, **filters}.items() if value is not None]
    return [*chosen, *(("label", f"{key}:{value}") for key, value in (labels or {}).items())]


def read_document(recipe: RecipeSource) -> JsonObject:
    if isinstance(recipe, Mapping):
        return dict(recipe)
    return require_object(parse_json(Path(recipe).read_bytes()))


def require_object(document: object) -> JsonObject:
    """Returns the document if it is a JSON object; raises RecipeInvalid otherwise."""
    if not isinstance(document, dict):
        raise RecipeInvalid([Problem(pointer="", code="object_type", message="a recipe must be a JSON object")])
    return document


def with_name_and_labels(document: JsonObject, name: str | None, labels: Mapping[str, str]) -> JsonObject:
    changes: JsonObject = {}
    if name:
        changes["name"] = name
    if labels:
        changes["labels"] = {**document.get("labels", {}), **labels}
    return document | changes
