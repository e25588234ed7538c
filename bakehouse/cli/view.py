"""The state of a run as the live display shows it, updated from the run's events."""

from dataclasses import dataclass, field
from datetime import datetime

from bakehouse.cli.formats import sanitize, shorten
from bakehouse.client.events import RunEvent
from bakehouse.model import JsonObject

MAX_LABEL = 32


@dataclass
class View:
    """The state of one run. `observe` takes its events in order."""

    id: str
    label: str
    recipe: JsonObject
    """The canonical recipe."""
    steps: int
    """Number of optimizer steps of the whole run, if it does not stop early."""
    status: str = "queued"
    reason: str = "submitted"
    request: str | None = None
    step: int = 0
    epoch: int = 0
    metrics: dict[str, float | None] = field(default_factory=dict)
    """The metrics of the latest step or epoch."""
    best_epoch: int = 0
    best_metrics: dict[str, float | None] = field(default_factory=dict)
    epochs_since_best: int = 0
    messages: list[str] = field(default_factory=list)
    _attempt: int = 0
    _timed_epochs: list[tuple[int, float]] = field(default_factory=list)
    """The first and the latest epoch of this attempt, each with its time."""

    @property
    def patience(self) -> int | None:
        """The number of epochs without improvement after which the run stops, if it stops by patience."""
        patience: int | None = self.recipe["early_stopping"].get("patience")
        return patience

    @property
    def monitor(self) -> str:
        """The metric by which the best epoch is chosen."""
        monitor: str = self.recipe["evaluation"]["monitor"]
        return monitor

    @property
    def is_over(self) -> bool:
        """Whether the run has a status that does not change any more."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def seconds_left(self) -> float | None:
        """The estimated time until the last epoch; early stopping may end the run sooner."""
        if len(self._timed_epochs) < 2 or self.is_over:
            return None
        (first, first_time), (latest, latest_time) = self._timed_epochs
        epochs: int = self.recipe["epochs"]
        if latest == epochs:
            return None
        # The mean over the attempt is steadier than the time of the latest epoch.
        return (latest_time - first_time) / (latest - first) * (epochs - self.epoch)

    def observe(self, event: RunEvent) -> None:
        """Updates the state with one event; ignores event types that only a newer service has."""
        match event.type:
            case "state" | "end":
                self.status = event.data["status"]
                self.reason = event.data["reason"]
                self.request = event.data.get("request")
            case "step":
                self.step = event.step or 0
                self.metrics = event.metrics
            case "epoch":
                self._observe_epoch(event)
            case "log" | "advice":
                self.messages.append(sanitize(str(event.data.get("message", ""))))
            case _:
                pass

    def _observe_epoch(self, event: RunEvent) -> None:
        self.epoch = event.epoch or 0
        self.step = event.step or self.step
        self.metrics = event.metrics
        # Time between attempts is not training time, so each attempt is timed by itself.
        first = self._timed_epochs[:1] if event.attempt == self._attempt else []
        self._timed_epochs = [*first, (self.epoch, datetime.fromisoformat(event.time).timestamp())]
        self._attempt = event.attempt
        self.epochs_since_best = event.data["epochs_since_best"]
        if event.data["is_best"]:
            self.best_epoch = self.epoch
            self.best_metrics = self.metrics


def label_of(recipe: JsonObject, run_id: str, *, by_seed: bool = False) -> str:
    """Returns the label of a run: its seed among runs that differ by seed, else its name, else its id."""
    if by_seed:
        return f"seed {recipe['seed']}"
    return shorten(sanitize(recipe["name"]), MAX_LABEL) if recipe["name"] else run_id
