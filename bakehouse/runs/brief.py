"""Runs as rows of a list: what a table shows, in at most 600 bytes of JSON a run."""

import json
from collections.abc import Mapping

from bakehouse.model import JsonObject, Model
from bakehouse.runs.status import Reason, Request, Status
from bakehouse.runs.wire import to_json

MAX_BYTES = 600
# A name is cut so that the whole run fits; other long texts are cut before it. All numbers and times fit too.
MAX_TEXT_BYTES = 72


class BriefBest(Model):
    """The best epoch so far, without its other metrics."""

    epoch: int
    monitor: str
    """Name of the monitored metric; a very long name is cut and ends with `…`."""
    value: float
    """The monitored metric at this epoch."""


class BriefProgress(Model):
    """How many epochs of a run are completed."""

    epoch: int
    """Number of completed epochs."""
    epochs: int
    """Maximum number of epochs."""


class BriefRun(Model):
    """A run as a row of a list, in at most 600 bytes; `GET /v1/runs/{id}` has the rest."""

    id: str
    name: str | None
    """The recipe's name; a very long name is cut and ends with `…`."""
    status: Status
    request: Request | None
    """The pending user request, if any."""
    reason: Reason
    """The reason of the latest change of the status."""
    dataset: str
    """The data set's `id`; a very long id is cut and ends with `…`."""
    architecture: str
    """The architecture's `type`."""
    best: BriefBest | None
    progress: BriefProgress
    created_at: str
    started_at: str | None
    """Time at which the first attempt began."""
    finished_at: str | None
    """Time at which the run ended."""
    seconds: float
    """Seconds in status `running`, over all attempts."""


class BriefPage(Model):
    """A page of the list of runs, newest first, each as a row."""

    data: tuple[BriefRun, ...]
    has_more: bool
    """Whether there are more runs in the requested direction."""
    first_id: str | None = None
    """The id to pass as `before` for newer runs."""
    last_id: str | None = None
    """The id to pass as `after` for older runs."""


def brief_json(members: Mapping[str, str]) -> bytes:
    """Returns the JSON of a `BriefRun`, from the members of a run, each as JSON."""
    # Only a few members are parsed: the models of a recipe take much longer than a row.
    values = {name: json.loads(members[name]) for name in (*BriefRun.model_fields, "recipe") if name in members}
    row: JsonObject = {name: values.get(name) for name in BriefRun.model_fields}
    row["dataset"] = cut(values["recipe"]["dataset"]["id"], MAX_TEXT_BYTES)
    row["architecture"] = values["recipe"]["architecture"]["type"]
    row["progress"] = {name: values["progress"][name] for name in BriefProgress.model_fields}
    if best := values["best"]:
        row["best"] = {**best, "monitor": cut(best["monitor"], MAX_TEXT_BYTES)}
        del row["best"]["metrics"]
    if row["name"] is not None:
        row["name"] = cut(row["name"], MAX_BYTES - size({**row, "name": 0}) + 1)
    return to_json(row).encode()


def cut(text: str, max_bytes: int) -> str:
    """Returns the text, or its beginning with an ellipsis if its JSON has more bytes."""
    if size(text) <= max_bytes:
        return text
    beginning = text[:max_bytes]
    while size(f"{beginning}…") > max_bytes:
        beginning = beginning[:-1]
    return f"{beginning}…"


def size(value: object) -> int:
    return len(to_json(value).encode())
