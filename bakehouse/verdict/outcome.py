"""Defines the outcome of a run: everything that the rules of the verdict look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import is_higher_better

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """How a run ended, with the metrics of its epochs."""

    plan: Plan
    reason: str
    """The reason why the run ended."""
    epochs: Mapping[int, Metrics] = field(default_factory=dict)
    """The metrics of each epoch by its number, which counts from 1. A run that resumed from a state of an earlier
    version has only the later epochs."""
    best_epoch: int = 0
    """The best epoch by the monitor; 0 if there is none."""
    test: Metrics = field(default_factory=dict)
    """The metrics of the best weights on the test split."""
    diagnostics: Mapping[str, JsonObject] = field(default_factory=dict)
    """The latest values of each diagnostic, by name."""
    first_gradients: JsonObject = field(default_factory=dict)
    """The values of the diagnostic `gradient_norms` after the first epoch, on one batch; empty for a network of one
    layer, and with a recipe of one epoch."""
    never_predicted: tuple[int, ...] = ()
    """The classes that rows of the test split have and the best weights predict for none of them."""
    diverged_at: int | None = None
    """The step at which the loss was not finite."""

    @property
    def last_epoch(self) -> int:
        """The number of complete epochs."""
        return max(self.epochs, default=0)

    @property
    def last(self) -> Metrics:
        return self.epochs.get(self.last_epoch, {})

    @property
    def best(self) -> Metrics:
        """The metrics of the best epoch, without those on the test split."""
        return self.epochs.get(self.best_epoch, {})

    @property
    def monitor(self) -> str:
        return self.plan.recipe.evaluation.monitor

    def series(self, metric: str) -> dict[int, float]:
        """Returns a metric by epoch, in the order of the epochs."""
        return {epoch: metrics[metric] for epoch, metrics in sorted(self.epochs.items()) if metric in metrics}

    def errors(self) -> dict[int, float]:
        """Returns the monitor by epoch, with the sign that makes lower values better."""
        sign = -1 if is_higher_better(self.monitor) else 1
        return {epoch: sign * value for epoch, value in self.series(self.monitor).items()}
