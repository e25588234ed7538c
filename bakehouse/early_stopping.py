"""Decides when to stop, and which epoch is the best."""

import math
from collections import deque
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import assert_never

from bakehouse.model import JsonObject
from bakehouse.recipe.early_stopping import (
    AnyEarlyStopping,
    GeneralizationLoss,
    Patience,
    ProgressQuotient,
    SuccessiveIncreases,
)
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.ingredient import Off


class EarlyStopper:
    """Finds the best epoch and decides when training ends. Goodfellow et al. 2016, Deep Learning, algorithm 7.1."""

    def __init__(self, spec: AnyEarlyStopping, *, monitor: str = "loss") -> None:
        self.spec = spec
        self.sign = -1.0 if is_higher_better(monitor) else 1.0
        self.best_epoch = 0
        self.best_value = math.inf * self.sign
        self.epochs_since_best = 0
        errors, train_losses = history_lengths(self.spec)
        # Errors and train losses of the latest epochs. An error is the monitor with the sign that makes lower values
        # better, or infinity if the monitor was not finite.
        self.errors: deque[float] = deque(maxlen=errors)
        self.train_losses: deque[float] = deque(maxlen=train_losses)

    def observe(self, epoch: int, value: float, *, train_loss: float) -> bool:
        """Takes the monitor of an epoch; returns whether the epoch is the best so far, which needs a finite value."""
        min_delta = self.spec.min_delta if isinstance(self.spec, Patience) else 0.0
        is_best = math.isfinite(value) and self.sign * value < self.sign * self.best_value - min_delta
        if is_best:
            self.best_epoch = epoch
            self.best_value = value
            self.epochs_since_best = 0
        else:
            self.epochs_since_best += 1
        self.errors.append(self.sign * value if math.isfinite(value) else math.inf)
        self.train_losses.append(train_loss)
        return is_best

    def is_over(self, epoch: int) -> bool:
        """Whether the criterion ends training after this epoch, which must have been observed before."""
        if isinstance(self.spec, Off) or epoch < self.spec.min_epochs:
            return False
        match self.spec:
            case Patience(patience=patience):
                return self.epochs_since_best >= patience
            case GeneralizationLoss(alpha=alpha):
                return self.generalization_loss() > alpha
            case ProgressQuotient(alpha=alpha, strip_length=length):
                # Prechelt's progress is that of a whole strip, so the criterion is checked only where a strip ends.
                return epoch % length == 0 and self.generalization_loss() > alpha * progress(self.train_losses)
            case SuccessiveIncreases(strips=strips, strip_length=length):
                # The full deque holds all strips and one error before them, so these are the errors at their ends.
                ends = list(self.errors)[::length]
                return epoch % length == 0 and len(ends) > strips and is_rising(ends)
            case _:
                assert_never(self.spec)

    def generalization_loss(self) -> float:
        """Returns GL = 100 (E / E_least - 1), in percent, or 0 if no error was finite yet."""
        error = self.errors[-1]
        # A plan refuses this criterion for a monitor whose higher values are better, so the error has no changed sign.
        if error == self.best_value or self.best_epoch == 0:
            return 0.0
        return 100 * (error / self.best_value - 1) if self.best_value else math.inf

    def state_dict(self) -> JsonObject:
        """Returns the state as JSON, with null for infinity."""
        state: JsonObject = {
            "best_epoch": self.best_epoch,
            "best_value": self.best_value if self.best_epoch else None,
            "epochs_since_best": self.epochs_since_best,
        }
        if self.errors.maxlen:
            state["errors"] = [error if math.isfinite(error) else None for error in self.errors]
        if self.train_losses.maxlen:
            state["train_losses"] = list(self.train_losses)
        return state

    def load_state_dict(self, state: JsonObject) -> None:
        """Restores a state."""
        self.best_epoch = state["best_epoch"]
        self.best_value = math.inf * self.sign if state["best_value"] is None else state["best_value"]
        self.epochs_since_best = state["epochs_since_best"]
        if self.errors.maxlen:
            self.errors.extend(math.inf if error is None else error for error in state["errors"])
        if self.train_losses.maxlen:
            self.train_losses.extend(state["train_losses"])


def history_lengths(spec: AnyEarlyStopping) -> tuple[int, int]:
    """Returns how many of the latest errors, and of the latest train losses, a criterion needs."""
    match spec:
        case Off() | Patience():
            return 0, 0
        case GeneralizationLoss():
            return 1, 0
        case ProgressQuotient(strip_length=length):
            return 1, length
        case SuccessiveIncreases(strips=strips, strip_length=length):
            return strips * length + 1, 0
        case _:
            assert_never(spec)


def progress(train_losses: Collection[float]) -> float:
    """Returns P = 1000 (mean of the train losses / their least - 1), in per mille."""
    least = min(train_losses)
    mean = math.fsum(train_losses) / len(train_losses)
    if least == 0:
        return math.inf if mean else 0.0
    # The mean of equal numbers may be rounded to a smaller number.
    return max(0.0, 1000 * (mean / least - 1))


def is_rising(errors: Sequence[float]) -> bool:
    """Whether each error is larger than the one before."""
    return all(earlier < later for earlier, later in pairwise(errors))
