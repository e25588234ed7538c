"""Runs as rows of a list: what a table shows, in at most 600 bytes of JSON a run."""

from bakehouse.model import Model
from bakehouse.runs.status import Reason, Request, Status


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
