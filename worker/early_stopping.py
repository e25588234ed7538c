"""When to stop, and which epoch is the best."""

import math
from typing import Any

from bakehouse.recipe.evaluation import Monitor
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.recipe import Recipe

HIGHER_IS_BETTER: frozenset[Monitor] = frozenset({"validation_accuracy", "validation_r2"})


class EarlyStopper:
    """Goodfellow et al. 2016, algorithm 7.1: keeps the best epoch, counts those since, stops at `patience`."""

    def __init__(self, recipe: Recipe) -> None:
        self.spec = recipe.early_stopping
        self.sign = -1.0 if recipe.evaluation.monitor in HIGHER_IS_BETTER else 1.0
        self.best_epoch = 0
        self.best_value = math.inf * self.sign
        self.epochs_since_best = 0

    def observe(self, epoch: int, value: float) -> bool:
        """Takes an epoch's monitor; says whether it is the best so far. Non-finite never is."""
        min_delta = 0.0 if isinstance(self.spec, Off) else self.spec.min_delta
        is_best = math.isfinite(value) and self.sign * value < self.sign * self.best_value - min_delta
        if is_best:
            self.best_epoch, self.best_value, self.epochs_since_best = epoch, value, 0
        else:
            self.epochs_since_best += 1
        return is_best

    def is_over(self, epoch: int) -> bool:
        """Whether the run ends after this epoch."""
        if isinstance(self.spec, Off):
            return False
        return self.epochs_since_best >= self.spec.patience and epoch >= self.spec.min_epochs

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; infinity, before the first best, travels as null."""
        value = self.best_value if self.best_epoch else None
        return {"best_epoch": self.best_epoch, "best_value": value, "epochs_since_best": self.epochs_since_best}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.best_epoch = state["best_epoch"]
        self.best_value = math.inf * self.sign if state["best_value"] is None else state["best_value"]
        self.epochs_since_best = state["epochs_since_best"]
