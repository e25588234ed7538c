"""What a screen shows of a run, learnt from its events alone."""

import math
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bakehouse.client.events import RunEvent
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.recipe import Recipe

MAX_LABEL = 32
SHORT = {
    "train_loss": "train", "validation_loss": "val", "train_accuracy": "train acc", "validation_accuracy": "val acc",
    "validation_r2": "val r2", "test_loss": "test", "test_accuracy": "test acc", "test_r2": "test r2",
}  # fmt: skip


@dataclass
class View:
    """One run. `observe` takes its events in order."""

    id: str
    label: str
    recipe: Recipe
    steps: int
    """Of the whole run, if it does not stop early."""
    status: str = "queued"
    reason: str = "submitted"
    request: str | None = None
    step: int = 0
    epoch: int = 0
    numbers: dict[str, float | None] = field(default_factory=dict)
    """The latest step's or epoch's."""
    best_epoch: int = 0
    best_numbers: dict[str, float | None] = field(default_factory=dict)
    epochs_since_best: int = 0
    messages: list[str] = field(default_factory=list)
    _attempt: int = 0
    _timed: list[tuple[int, float]] = field(default_factory=list)
    """First and latest epoch of this attempt, with their times."""

    @property
    def patience(self) -> int | None:
        """Epochs without improvement before it ends."""
        stopping = self.recipe.early_stopping
        return stopping.patience if isinstance(stopping, Patience) else None

    @property
    def monitor(self) -> str:
        """What `best` looks at."""
        return self.recipe.evaluation.monitor

    @property
    def is_over(self) -> bool:
        """Nothing changes any more."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def seconds_left(self) -> float | None:
        """Until the last epoch; early stopping may end the run sooner."""
        if len(self._timed) < 2 or self.is_over:
            return None
        (first, since), (last, until) = self._timed
        if last == self.recipe.epochs:
            return None
        return (until - since) / (last - first) * (self.recipe.epochs - self.epoch)

    def observe(self, event: RunEvent) -> None:
        """One more event."""
        match event.type:
            case "state" | "end":
                self.status, self.reason = event.data["status"], event.data["reason"]
                self.request = event.data.get("request")
            case "step":
                self.step, self.numbers = event.step or 0, event.metrics
            case "epoch":
                self._observe_epoch(event)
            case "log" | "advice":
                self.messages.append(printable(str(event.data.get("message", ""))))
            case _:
                pass  # a newer service's

    def _observe_epoch(self, event: RunEvent) -> None:
        self.epoch, self.step, self.numbers = event.epoch or 0, event.step or self.step, event.metrics
        moment = datetime.fromisoformat(event.time).timestamp()
        same = self._timed[:1] if event.attempt == self._attempt else []
        self._attempt, self._timed = event.attempt, [*same, (self.epoch, moment)]
        self.epochs_since_best = event.data["epochs_since_best"]
        if event.data["is_best"]:
            self.best_epoch, self.best_numbers = self.epoch, self.numbers


def label_of(recipe: Recipe, run_id: str, *, seeds: bool = False) -> str:
    """The name, or the id; among seeds of one recipe, the seed."""
    if seeds:
        return f"seed {recipe.seed}"
    return shortened(printable(recipe.name), MAX_LABEL) if recipe.name else run_id


def shortened(text: str, most: int) -> str:
    """Cut, and said so."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def printable(text: str) -> str:
    """Names come from other people: nothing in them may steer a terminal."""
    return "".join("?" if unicodedata.category(character).startswith("C") else character for character in text)


def number(name: str, value: Any) -> str:
    """Shares as percentages, all else with four digits."""
    if value is None:
        return "not finite"
    return f"{100 * value:.1f}%" if name.endswith("accuracy") else f"{value:.4g}"


def named_numbers(numbers: dict[str, float | None]) -> str:
    """`train 0.0748  val 0.0912  val acc 97.9%`."""
    return "  ".join(f"{short} {number(name, numbers[name])}" for name, short in SHORT.items() if name in numbers)


def duration(seconds: float) -> str:
    """`4 s`, `12 min 30 s`, `3 h 5 min`."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
