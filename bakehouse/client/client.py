"""The service from Python."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from bakehouse.client.comparison import compare
from bakehouse.client.connection import Connection
from bakehouse.client.run import ClientRun
from bakehouse.model import Model
from bakehouse.plan.card import DatasetListing
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import parse_json
from bakehouse.runs.run import Page, Run, Status, Worker
from bakehouse.settings import Settings


class Datasets(Model):
    """What `GET /v1/datasets` answers."""

    data: tuple[DatasetListing, ...]


class Workers(Model):
    """What `GET /v1/workers` answers."""

    data: tuple[Worker, ...]


RecipeSource = Mapping[str, Any] | str | Path
PAGE_SIZE = 100


class Client:
    """Speaks to the service at `url`, by default BAKEHOUSE_URL or this machine's. Safe to share between threads."""

    def __init__(self, url: str | None = None, *, timeout: float = 15.0) -> None:
        self.url = url or Settings().base_url
        self._connection = Connection(self.url, timeout=timeout)

    def submit(
        self, recipe: RecipeSource, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> ClientRun:
        """Queues a recipe, given as a dict or as a file. Raises RecipeRefused, which says what and where."""
        document = named(read(recipe), name, labels or {})
        headers = {"Idempotency-Key": str(uuid4())}
        response = self._connection.request("POST", "/v1/runs", json=document, headers=headers)
        return ClientRun(self._connection, self._connection.parse(Run, response))

    def validate(self, recipe: RecipeSource) -> dict[str, Any]:
        """What submitting it would mean: canonical recipe, advice, layers, estimate. Nothing is stored."""
        parameters = {"validate_only": "true"}
        answer = self._connection.request("POST", "/v1/runs", json=read(recipe), params=parameters)
        found: dict[str, Any] = answer.json()
        return found

    def run(self, run_id: str) -> ClientRun:
        """One that was submitted before."""
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
        """All runs that match, newest first, page after page."""
        fields = {"status": status, "dataset": dataset, "architecture": architecture, "recipe_sha256": recipe_sha256}
        chosen = [(name, value) for name, value in fields.items() if value is not None]
        chosen += [("label", f"{key}:{value}") for key, value in (labels or {}).items()]
        after: list[tuple[str, str]] = []
        while True:
            page = self._connection.get(Page, "/v1/runs", params=[*chosen, *after, ("limit", str(PAGE_SIZE))])
            yield from (ClientRun(self._connection, record) for record in page.data)
            if not page.has_more or page.last_id is None:
                return
            after = [("after", page.last_id)]

    def datasets(self) -> list[DatasetListing]:
        """What recipes can name."""
        return list(self._connection.get(Datasets, "/v1/datasets").data)

    def workers(self) -> list[Worker]:
        """Who trains, on what device."""
        return list(self._connection.get(Workers, "/v1/workers").data)

    def compare(self, runs: Iterable[ClientRun | str]) -> list[dict[str, Any]]:
        """A row a run: the recipe's fields that are not the same in all, and what came out."""
        held = [self.run(run) if isinstance(run, str) else run.refresh() for run in runs]
        return compare([run.record for run in held])

    def close(self) -> None:
        """Ends all connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read(recipe: RecipeSource) -> dict[str, Any]:
    """The document of a dict or of a file."""
    if isinstance(recipe, Mapping):
        return dict(recipe)
    return as_object(parse_json(Path(recipe).read_bytes()))


def as_object(document: Any) -> dict[str, Any]:
    """What can be a recipe."""
    if not isinstance(document, dict):
        raise RecipeInvalid([Problem(pointer="", code="object_type", message="a recipe is a JSON object")])
    return document


def named(document: dict[str, Any], name: str | None, labels: Mapping[str, str]) -> dict[str, Any]:
    """The document with a name and more labels."""
    named = document | ({"name": name} if name else {})
    return named | ({"labels": {**document.get("labels", {}), **labels}} if labels else {})
