"""A handle for one experiment in an event loop: its state, its answer, and requests to change it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, Unpack
from uuid import uuid4

import httpx

from bakehouse.client.async_run import Action
from bakehouse.client.connection import Connection
from bakehouse.client.documents import RecipeSource, read_document
from bakehouse.client.download import download_zip
from bakehouse.client.errors import ExperimentRefused, RecipeRefused
from bakehouse.client.experiment_events import Deadline, ExperimentEvent, follow_runs
from bakehouse.client.reading import ExperimentState
from bakehouse.experiments.answer import ExperimentStatus, Results
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.experiment import ExperimentRun
from bakehouse.experiments.what_if import ExperimentWhatIf
from bakehouse.model import JsonObject, Model
from bakehouse.plurals import count_of
from bakehouse.runs.status import TERMINAL
from bakehouse.tasks.ensembles import SECONDS as ENSEMBLE_SECONDS
from bakehouse.tasks.ensembles import Mean

ReportFormat = Literal["markdown", "html"]
LIFE = ("state", "end", "deleted")
"""The types of events that say whether runs are over."""


class ExperimentFields(TypedDict, total=False):
    """The fields of the document of an experiment."""

    name: str | None
    recipe: RecipeSource
    seeds: int | Sequence[int]
    folds: int | None
    design: Mapping[str, object]
    metric: str | None
    priority: int
    max_running: int | None
    reuse: bool


class AblationFields(TypedDict, total=False):
    """The fields of an ablation besides its recipe."""

    name: str | None
    seeds: int | Sequence[int]
    ingredients: Sequence[str] | None
    metric: str | None
    priority: int
    max_running: int | None


class ExtensionFields(TypedDict, total=False):
    """The arguments of `extend`: seeds, variants, and values of axes to add to an experiment."""

    seeds: int | Sequence[int]
    variants: Mapping[str, object]
    axes: Mapping[str, Sequence[object]]


class ExperimentChanges(TypedDict, total=False):
    """The arguments of `change`: the fields of an experiment that can be changed after it was posted."""

    name: str | None
    priority: int
    max_running: int | None


class DeletedExperiment(Model):
    """The response of `DELETE /v1/experiments/{id}`."""

    id: str
    runs: tuple[str, ...]
    """The runs that are deleted with it."""
    kept: tuple[str, ...]
    """The runs that stay: those that were finished before, and those that others need."""
    bytes_freed: int
    """Total size of the files of the deleted runs; 0 in a preview."""


def experiment_document(source: RecipeSource | None, fields: ExperimentFields) -> JsonObject:
    """Returns the document to post: that of a dict or a file, with these fields in place of its own."""
    document: JsonObject = {**(read_document(source, "an experiment") if source is not None else {}), **fields}
    if "recipe" in document:
        document["recipe"] = read_document(document["recipe"])
    return document


def ablation_document(recipe: RecipeSource, fields: AblationFields) -> JsonObject:
    """Returns the document of an experiment that switches off each ingredient of a recipe."""
    others: JsonObject = {"seeds": 5, **fields}
    design = {"type": "ablation", "ingredients": others.pop("ingredients", None)}
    return {**others, "recipe": read_document(recipe), "design": design}


async def post_document(connection: Connection, path: str, document: JsonObject, **options: Any) -> httpx.Response:
    """Posts the document of an experiment, or what is added to one. Raises ExperimentRefused."""
    # Every repetition of this request sends the same key, so that a lost reply does not create a second experiment.
    headers = {"Idempotency-Key": str(uuid4())}
    try:
        return await connection.request("POST", path, json=document, headers=headers, **options)
    except RecipeRefused as error:
        raise ExperimentRefused(error.problem) from error


class ExperimentHandle(ABC):
    """What is known of an experiment, whether its methods block or are coroutines."""

    @property
    @abstractmethod
    def record(self) -> ExperimentState:
        """The latest known state."""

    @property
    def id(self) -> str:
        """The experiment's id: `exp_` and 12 characters."""
        return self.record.id

    @property
    def name(self) -> str | None:
        """The experiment's name."""
        return self.record.name

    @property
    def status(self) -> ExperimentStatus:
        """The latest known status; another text if only a newer version knows it."""
        return self.record.status

    @property
    def is_over(self) -> bool:
        """Whether all runs are over; `extend()` can add others."""
        return self.status in ("finished", "cancelled")

    @property
    def runs(self) -> tuple[ExperimentRun, ...]:
        """The runs by arm, seed and fold. `client.run(each.run)` has the metrics of one."""
        return self.record.runs

    def __repr__(self) -> str:
        record = self.record
        name = f" {record.name!r}" if record.name else ""
        over = sum(run.status in TERMINAL for run in record.runs)
        parts = [record.status, count_of(len(record.arms), "arm"), f"{over:,} of {count_of(len(record.runs), 'run')}"]
        return f"{type(self).__name__}({record.id}{name}, {', '.join(parts)} over)"


class AsyncClientExperiment(ExperimentHandle):
    """An experiment of the service. `record` is its latest known state; `await refresh()` requests the current one."""

    def __init__(self, connection: Connection, record: ExperimentState) -> None:
        self._connection = connection
        self._record = record
        self._results: Results | None = None

    @property
    def record(self) -> ExperimentState:
        """The latest known state."""
        return self._record

    async def refresh(self) -> Self:
        """Requests the current state and updates `record`."""
        self._record = await self._connection.get(ExperimentState, self._path())
        return self

    async def results(self) -> Results:
        """Returns the answer: means, paired differences, verdicts, and `sentence`. Before the end, what there is so
        far."""
        self._results = await self._connection.get(Results, self._path("/results"))
        return self._results

    async def stream(
        self,
        *,
        types: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - reads have a timeout
    ) -> AsyncGenerator[ExperimentEvent]:
        """Yields the new events of all runs, of these types or of all, until the experiment is over; reconnects when
        the connection is lost. Raises ExperimentTimeout after `timeout` seconds; the runs continue."""
        await self.refresh()
        if self.is_over:
            return
        asked = tuple(dict.fromkeys([*types, *LIFE])) if types else ()
        deadline = Deadline(self.id, timeout)
        active = self._active()
        async with aclosing(follow_runs(self._connection, self.id, types=asked, deadline=deadline)) as events:
            async for event in events:
                if isinstance(event, ExperimentEvent):
                    if not types or event.type in types:
                        yield event
                    observe(active, event)
                # A search may decide that it is done after its last run was over.
                if event == "read" or not active:
                    await self.refresh()
                    active = self._active()
                    if self.is_over:
                        return

    def _active(self) -> set[str]:
        return {run.run for run in self.runs if run.status not in TERMINAL}

    async def wait(self, timeout: float | None = None) -> Self:  # noqa: ASYNC109 - reads have a timeout
        """Waits until the experiment is over. Raises ExperimentTimeout after `timeout` seconds; the runs continue."""
        async with aclosing(self.stream(types=("end",), timeout=timeout)) as events:
            async for _ in events:
                pass
        return self

    async def extend(self, **more: Unpack[ExtensionFields]) -> Self:
        """Adds seeds (the number that there should be, or a list of further ones), variants or values of axes, and
        queues only the runs that this adds."""
        return self._update(await post_document(self._connection, self._path("/extend"), dict(more)))

    async def change(self, **fields: Unpack[ExperimentChanges]) -> Self:
        """Changes the name, the priority of the runs that wait, or the limit on those in training."""
        return self._update(await self._connection.request("PATCH", self._path(), json=dict(fields)))

    async def cancel(self) -> Self:
        """Cancels all runs that are not over."""
        return await self._request_action("cancel")

    async def stop(self) -> Self:
        """Ends the runs in training, which keep their best weights, and cancels those that wait."""
        return await self._request_action("stop")

    async def pause(self) -> Self:
        """Pauses the runs in training; those that wait are not started until `resume()`."""
        return await self._request_action("pause")

    async def resume(self) -> Self:
        """Lets a paused experiment continue, each run at its step."""
        return await self._request_action("resume")

    async def _request_action(self, action: Action) -> Self:
        return self._update(await self._connection.request("POST", self._path(f"/{action}")))

    def _update(self, response: httpx.Response) -> Self:
        self._record = self._connection.parse(ExperimentState, response)
        return self

    async def delete(self, *, validate_only: bool = False) -> DeletedExperiment:
        """Deletes the experiment, which must be over, and the runs that it has made; with `validate_only`, only returns
        what would be deleted. Runs that were finished before, or that others need, stay."""
        params = {"validate_only": "true"} if validate_only else {}
        response = await self._connection.request("DELETE", self._path(), params=params)
        return self._connection.parse(DeletedExperiment, response)

    async def what_if(self, early_stopping: Sequence[object]) -> ExperimentWhatIf:
        """Returns what other settings of early stopping would have done to the runs, each written as in a recipe: 5 is
        a patience of 5."""
        question = {"early_stopping": list(early_stopping)}
        response = await self._connection.request("POST", self._path("/what-if"), json=question)
        return self._connection.parse(ExperimentWhatIf, response)

    async def ensemble(self, arm: str, *, mean: Mean = "arithmetic") -> Ensemble:
        """Returns the finished runs of an arm as one model, measured on the validation and the test split; the answer
        stays with the experiment."""
        body = {"arm": arm, "mean": mean}
        # The service answers when the members are measured.
        seconds = 10.0 + ENSEMBLE_SECONDS
        response = await self._connection.request("POST", self._path("/ensembles"), json=body, timeout=seconds)
        return self._connection.parse(Ensemble, response)

    async def download_ensemble(self, name: str, path: str | Path) -> Path:
        """Saves an ensemble as a zip file: the weights of its members, a manifest, and a script that predicts with
        their mean."""
        return await download_zip(self._connection, self._path(f"/ensembles/{name}"), Path(path))

    async def report(self, format: ReportFormat = "markdown") -> str:  # noqa: A002 - the parameter's name in the API
        """Returns what one sends to a colleague: question, answer, tables, and the document that makes it again. `html`
        is one file with the picture in it."""
        response = await self._connection.request("GET", self._path("/report"), params={"format": format})
        return response.text

    def _path(self, suffix: str = "") -> str:
        return f"/v1/experiments/{self.id}{suffix}"

    def _repr_html_(self) -> str:
        # Only notebooks need what draws.
        from bakehouse.client.experiment_html import experiment_html  # noqa: PLC0415

        # A notebook does not wait for coroutines.
        return experiment_html(self, self._results, note="`await experiment.results()` loads the answer")


def observe(active: set[str], event: ExperimentEvent) -> None:
    """Updates which runs are not over with the event of one of them."""
    if event.type in ("end", "deleted"):
        active.discard(event.run_id)
    elif event.type == "state":
        active.add(event.run_id)
