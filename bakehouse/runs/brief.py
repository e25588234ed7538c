"""Runs as rows of a list: what a table shows, in at most 600 bytes of JSON a run."""

from typing import Annotated, Literal

from pydantic import Field

from bakehouse.model import Model
from bakehouse.runs.status import Reason, Request, Status

Level = Annotated[int, Field(ge=0, le=99)]


class BriefBest(Model):
    """The best epoch so far, without its other metrics."""

    epoch: int
    monitor: str
    """Name of the monitored metric; a very long name is cut and ends with `…`."""
    value: float
    """The monitored metric at this epoch, with six digits."""


class BriefGap(Model):
    """How much better the model was on the training rows than on the validation rows, at the best epoch. Training
    metrics are measured with augmentation and dropout, so that the gap may be negative."""

    metric: Literal["accuracy", "loss"]
    """`accuracy`: training minus validation; `loss`, of runs that have no accuracy: validation minus training."""
    value: float


class BriefProgress(Model):
    """How many epochs of a run are completed."""

    epoch: int
    """Number of completed epochs; of a run that is over, the epoch at which it stopped."""
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
    loss: str | None
    """The recipe's loss, or null if the recipe leaves it to the data set. Values of different losses do not compare."""
    best: BriefBest | None
    gap: BriefGap | None
    """The generalisation gap at the best epoch."""
    progress: BriefProgress
    eta_seconds: float | None
    """Estimated time until the last epoch is complete, while the run is running."""
    stops_in_seconds: float | None
    """Estimated time until early stopping ends the run if no epoch is better than the best, while a run with `patience`
    is running."""
    queue: int | None
    """Position in the queue, from 1, while the run is queued."""
    verdict: str | None
    """The code of the gravest finding about how the run went. Null until the run is over."""
    sparkline: tuple[Level | None, ...] | None
    """The monitored metric over the epochs so far: at most 24 integers from 0, its least value, to 99, its greatest
    one; null where it was not finite. If several epochs share a point, the point is the best of them. Null before the
    first epoch, and for runs of earlier versions."""
    ingredients: tuple[str, ...]
    """What the recipe has beyond the defaults, as short texts such as `dropout 0.5`, the seed last; where a very long
    list is cut, it has `…`."""
    labels: int
    """Number of labels."""
    created_at: str
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
