"""Verdicts on when a run ended."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum, sqrt

from bakehouse.advice.advice import PatchStep, replace
from bakehouse.recipe.early_stopping import Patience
from bakehouse.verdict.chance import wilson_interval
from bakehouse.verdict.divergence import smaller_lr
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import name_of, percent, value_of

PRECHELT = "Prechelt 1998, Early Stopping - But When?"
LEAST_PROGRESS = 0.02
"""The share by which a loss must fall over the last epochs to call it improving."""
LEAST_POINTS = 0.005
LEAST_SHARE = 0.005
"""Progress below this share of the first epoch's loss is not worth the time."""
SHORT_WAIT = 3
MAX_EPOCHS = 100_000
LEAST_EPOCHS = 3
LONGER_PATIENCE = 20
CLEARLY = 2.0
"""The number of standard errors that a change needs to be more than noise."""
NEAR = 3.0


@rule("warning", source="Goodfellow et al. 2016, Deep Learning, 11.4")
def best_is_first_epoch(outcome: Outcome) -> Iterator[Found]:
    """No later epoch was better than the first."""
    # A run that began with an earlier version has no history of its first epochs.
    if outcome.best_epoch != 1 or 1 not in outcome.epochs or outcome.last_epoch < LEAST_EPOCHS:
        return
    values = outcome.series(outcome.monitor)
    lr = smaller_lr(outcome.plan)
    message = f"the first epoch was the best: {name_of(outcome.monitor)} was {shown(outcome, 1)} then and "
    message += f"{value_of(outcome.monitor, values[outcome.last_epoch])} after {outcome.last_epoch} epochs; try "
    yield Found(f"{message}optimizer.lr {lr:g}", replace("/optimizer/lr", lr))


@rule("warning", source=PRECHELT)
def stopped_too_early(outcome: Outcome) -> Iterator[Found]:
    """Early stopping ended a run whose monitor still improved on average, or hardly differed from its best."""
    if outcome.reason != "early_stopped" or not 0 < outcome.best_epoch < outcome.last_epoch:
        return
    message = average_progress(outcome) or difference_within_noise(outcome)
    if message:
        yield Found(f"stopped too early: {message}; wait longer", longer_patience(outcome))


def average_progress(outcome: Outcome) -> str:
    """Returns how much the monitor got better on average, if that is clearly more than its noise; else an empty
    text."""
    errors = list(outcome.errors().values())
    waited = outcome.last_epoch - outcome.best_epoch
    window = min(max(waited, 2), len(errors) - 1)
    if window < 2:
        return ""
    after, before = errors[-window:], errors[-2 * window : -window]
    noise = noise_of(errors[-waited - 1 :])
    progress = mean(before) - mean(after)
    is_clear = progress > CLEARLY * noise * sqrt(1 / len(after) + 1 / len(before))
    # A best value far below those after it is no accident.
    best = min(errors)
    is_near = mean(after) - best <= NEAR * max(noise, abs(best) * LEAST_PROGRESS)
    if not (is_clear and is_near and progress > LEAST_SHARE * abs(errors[0])):
        return ""
    text = f"{name_of(outcome.monitor)} varies by {noise:.2g} from epoch to epoch, and still got better by "
    return f"{text}{progress:.2g} on average in the last {window} epochs"


def difference_within_noise(outcome: Outcome) -> str:
    """Returns how little the last epoch differs from the best one, if the run waited only shortly and so few rows
    cannot tell the two apart; else an empty text."""
    waited = outcome.last_epoch - outcome.best_epoch
    metric = "validation_accuracy"
    if waited > SHORT_WAIT or metric not in outcome.best:
        return ""
    best, last, rows = outcome.best[metric], outcome.last[metric], outcome.plan.sizes.validation
    low, high = wilson_interval(best, rows)
    if not low <= last <= high:
        return ""
    text = f"after {waited} epoch{'s' * (waited > 1)} without a better one, accuracy is {percent(last)} and was "
    return (
        f"{text}{percent(best)} at best, which {rows} rows cannot tell apart ({percent(low)} to {percent(high)}, 95%)"
    )


@rule("warning", source="Goodfellow et al. 2016, Deep Learning, 7.8")
def still_improving(outcome: Outcome) -> Iterator[Found]:
    """The run ended while its monitor improved."""
    if outcome.reason not in ("epochs_done", "time_budget"):
        return
    if outcome.last_epoch == 1 and fell_within_epoch(outcome):
        message = (
            f"still improving: the loss fell from {outcome.last['train_loss']:.4g}, the mean over the only epoch, "
        )
        message += f"to {outcome.last['validation_loss']:.4g} at its end; more epochs would help"
        yield Found(message, more_time(outcome))
    start = max(1, outcome.last_epoch - max(1, outcome.last_epoch // 5))
    if start in outcome.epochs and is_best_late(outcome) and is_progress(outcome, start):
        message = f"still improving at the last epoch: {name_of(outcome.monitor)} went from {shown(outcome, start)} at "
        message += f"epoch {start} to {shown(outcome, outcome.best_epoch)} at epoch {outcome.best_epoch}; more epochs "
        yield Found(f"{message}would help", more_time(outcome))


def fell_within_epoch(outcome: Outcome) -> bool:
    """Whether the loss at the end of an epoch is clearly below its mean over the epoch."""
    losses = outcome.last
    return "validation_loss" in losses and losses["validation_loss"] < (1 - LEAST_PROGRESS) * losses["train_loss"]


def is_best_late(outcome: Outcome) -> bool:
    """Whether the best epoch is among the last tenth."""
    return outcome.best_epoch > 1 and outcome.last_epoch - outcome.best_epoch <= outcome.last_epoch // 10


def is_progress(outcome: Outcome, start: int) -> bool:
    """Whether the best value is clearly better than at an earlier epoch."""
    errors = outcome.errors()
    progress = errors[start] - errors[outcome.best_epoch]
    if outcome.monitor.endswith(("_accuracy", "_r2")):
        return progress > LEAST_POINTS
    return progress > LEAST_PROGRESS * abs(errors[start]) and progress > LEAST_SHARE * abs(errors[min(errors)])


def more_time(outcome: Outcome) -> tuple[PatchStep, ...]:
    """Returns a patch that doubles what ended the run."""
    recipe = outcome.plan.recipe
    if outcome.reason == "time_budget" and recipe.time_budget_seconds is not None:
        return replace("/time_budget_seconds", 2 * recipe.time_budget_seconds)
    return replace("/epochs", min(MAX_EPOCHS, 2 * recipe.epochs)) if recipe.epochs < MAX_EPOCHS else ()


def longer_patience(outcome: Outcome) -> tuple[PatchStep, ...]:
    stopping = outcome.plan.recipe.early_stopping
    if isinstance(stopping, Patience):
        return replace("/early_stopping/patience", max(LONGER_PATIENCE, 2 * stopping.patience))
    return replace("/early_stopping", Patience(patience=LONGER_PATIENCE))


def noise_of(values: Sequence[float]) -> float:
    """Returns the standard deviation of values around a slow trend: that of their differences over the square root of
    2."""
    differences = [later - earlier for earlier, later in pairwise(values)]
    return sqrt(fsum(item * item for item in differences) / len(differences) / 2)


def mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def shown(outcome: Outcome, epoch: int) -> str:
    return value_of(outcome.monitor, outcome.epochs[epoch][outcome.monitor])
