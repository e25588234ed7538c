"""Verdicts on when a run ended."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum, isfinite, sqrt

from bakehouse.advice.advice import replace
from bakehouse.plurals import count_of
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.patch import PatchStep
from bakehouse.verdict.chance import wilson_interval
from bakehouse.verdict.divergence import smaller_lr
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import name_of, percent, value_of

PRECHELT = "Prechelt 1998, Early Stopping - But When?"
MEASURED = "bench/README.md, Verdicts"
LEAST_PROGRESS = 0.02
"""A loss improves if it falls by this share of the first epoch's loss from one fifth of the run to the next; healthy
runs fall by less (MEASURED)."""
LEAST_POINTS = 0.01
"""The same for an accuracy, F1, AUROC or R^2."""
FELL_WITHIN = 0.02
CLEARLY_WORSE = 1.1
SHORT_WAIT = 5
"""After fewer epochs without a better one, a trend cannot be told from noise."""
MAX_EPOCHS = 100_000
LEAST_EPOCHS = 3
LONGER_PATIENCE = 20
CLEARLY = 3.0
"""The number of standard errors that a slope needs to be more than noise."""
NEAR = 3.0
NEGLIGIBLE = 0.02


@rule("warning", source="Goodfellow et al. 2016, Deep Learning, 11.4")
def best_is_first_epoch(outcome: Outcome) -> Iterator[Found]:
    """No later epoch was better than the first."""
    # A run that began with an earlier version has no history of its first epochs.
    if outcome.best_epoch != 1 or 1 not in outcome.epochs or outcome.last_epoch < LEAST_EPOCHS:
        return
    values = outcome.series(outcome.monitor)
    if not isinstance(outcome.plan.recipe.pretraining, Off) and not got_clearly_worse(outcome):
        return
    lr = smaller_lr(outcome.plan)
    message = f"the first epoch was the best: {name_of(outcome.monitor)} was {shown(outcome, 1)} then and "
    message += (
        f"{value_of(outcome.monitor, values[outcome.last_epoch])} after {count_of(outcome.last_epoch, 'epoch')}; try "
    )
    yield Found(f"{message}optimizer.lr {lr:g}", replace("/optimizer/lr", lr))


def got_clearly_worse(outcome: Outcome) -> bool:
    """Whether the last epoch is clearly worse than the first. Weights that were trained before are near their best."""
    errors = outcome.errors()
    first, last = errors[1], errors[outcome.last_epoch]
    if is_higher_better(outcome.monitor):
        return last - first > LEAST_POINTS
    return last > CLEARLY_WORSE * first


@rule("warning", source=PRECHELT)
def stopped_too_early(outcome: Outcome) -> Iterator[Found]:
    """Early stopping ended a run whose monitor still improved on average, or hardly differed from its best."""
    if outcome.reason != "early_stopped" or not 0 < outcome.best_epoch < outcome.last_epoch or not is_finite(outcome):
        return
    waited = outcome.last_epoch - outcome.best_epoch
    message = trend(outcome) if waited >= SHORT_WAIT else rows_apart(outcome) or noise_apart(outcome)
    if message:
        yield Found(f"stopped too early: {message}; wait longer", longer_patience(outcome))


def trend(outcome: Outcome) -> str:
    """Returns how fast the monitor got better after its best epoch, if that is more than its noise; else an empty
    text."""
    after = [error for epoch, error in outcome.errors().items() if epoch > outcome.best_epoch]
    slope, uncertainty = line_through(after)
    gain = -slope * len(after)
    if -slope <= CLEARLY * uncertainty or gain <= LEAST_PROGRESS * first_error(outcome):
        return ""
    text = (
        f"{name_of(outcome.monitor)} got better by {gain:.2g} on average in the last "
        f"{count_of(len(after), 'epoch')}, although "
    )
    return f"{text}none of them was better than epoch {outcome.best_epoch}"


def rows_apart(outcome: Outcome) -> str:
    """Returns how little the last epoch differs from the best one, if so few rows cannot tell the two apart; else an
    empty text."""
    metric = "validation_accuracy"
    if metric not in outcome.best:
        return ""
    best, last, rows = outcome.best[metric], outcome.last[metric], outcome.plan.sizes.validation
    low, high = wilson_interval(best, rows)
    if not low <= last <= high:
        return ""
    return (
        f"after {waited_text(outcome)} without a better one, accuracy is {percent(last)} and was {percent(best)} at "
        f"best, which {count_of(rows, 'row')} cannot tell apart ({percent(low)} to {percent(high)}, 95%)"
    )


def noise_apart(outcome: Outcome) -> str:
    """Returns how little the last epochs differ from the best one, if that is within the noise from epoch to epoch;
    else an empty text."""
    errors = outcome.errors()
    after = [error for epoch, error in errors.items() if epoch >= outcome.best_epoch]
    noise = noise_of(after)
    best, *later = after
    if mean(later) - best > NEAR * max(noise, NEGLIGIBLE * abs(best)):
        return ""
    text = f"after {waited_text(outcome)} without a better one, {name_of(outcome.monitor)} is within its noise of the "
    return f"{text}best: it varies by {noise:.2g} from epoch to epoch"


@rule("warning", source="Goodfellow et al. 2016, Deep Learning, 7.8")
def still_improving(outcome: Outcome) -> Iterator[Found]:
    """The run ended while its monitor improved."""
    if outcome.reason not in ("epochs_done", "time_budget"):
        return
    if outcome.last_epoch == 1 and fell_within_epoch(outcome):
        message = f"the loss fell from {outcome.last['train_loss']:.4g}, the mean over the only epoch, "
        message += f"to {outcome.last['validation_loss']:.4g} at its end; more epochs would help"
        yield Found(message, more_time(outcome))
    length = max(1, outcome.last_epoch // 5)
    start = outcome.last_epoch - length
    if start in outcome.epochs and is_finite(outcome) and is_best_late(outcome) and is_progress(outcome, length):
        message = f"{name_of(outcome.monitor)} still got better at the end: from {shown(outcome, start)} at "
        message += f"epoch {start} to {shown(outcome, outcome.best_epoch)} at epoch {outcome.best_epoch}; more epochs "
        yield Found(f"{message}would help", more_time(outcome))


@rule("info", source="Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning")
def pruned(outcome: Outcome) -> Iterator[Found]:
    """A search ended the run early."""
    if outcome.reason == "pruned":
        after = count_of(outcome.last_epoch, "epoch")
        yield Found(f"was ended early, after {after}, because other runs of the search were better at the same epoch")


def fell_within_epoch(outcome: Outcome) -> bool:
    """Whether the loss at the end of an epoch is clearly below its mean over the epoch."""
    losses = outcome.last
    return "validation_loss" in losses and losses["validation_loss"] < (1 - FELL_WITHIN) * losses["train_loss"]


def is_best_late(outcome: Outcome) -> bool:
    """Whether the best epoch is among the last tenth."""
    return outcome.best_epoch > 1 and outcome.last_epoch - outcome.best_epoch <= outcome.last_epoch // 10


def is_progress(outcome: Outcome, length: int) -> bool:
    """Whether the last epochs are on average clearly better than as many epochs before them, and some validation row is
    still wrong."""
    recent = list(outcome.series("validation_accuracy").values())[-length - 1 :]
    if recent and min(recent) == 1.0:
        return False
    errors = list(outcome.errors().values())
    progress = mean(errors[-2 * length : -length]) - mean(errors[-length:])
    if is_higher_better(outcome.monitor):
        return progress > LEAST_POINTS
    return progress > LEAST_PROGRESS * first_error(outcome)


def is_finite(outcome: Outcome) -> bool:
    """Whether the monitor is a number at every epoch, so that it has a mean."""
    return all(map(isfinite, outcome.errors().values()))


def first_error(outcome: Outcome) -> float:
    """Returns the size of the monitor at the first epoch, beside which progress is measured."""
    errors = outcome.errors()
    return abs(errors[min(errors)])


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
    """Returns the standard deviation of values around a line: that of their differences over the square root of 2; 0
    for two values."""
    differences = [later - earlier for earlier, later in pairwise(values)]
    drift = mean(differences)
    return sqrt(fsum((item - drift) ** 2 for item in differences) / max(1, len(differences) - 1) / 2)


def line_through(values: Sequence[float]) -> tuple[float, float]:
    """Returns the slope of the line with the least squares through values, and the standard error of the slope."""
    centre = (len(values) - 1) / 2
    spread = fsum((position - centre) ** 2 for position in range(len(values)))
    slope = fsum((position - centre) * value for position, value in enumerate(values)) / spread
    middle = mean(values)
    residuals = [value - middle - slope * (position - centre) for position, value in enumerate(values)]
    return slope, sqrt(fsum(item * item for item in residuals) / (len(values) - 2) / spread)


def waited_text(outcome: Outcome) -> str:
    waited = outcome.last_epoch - outcome.best_epoch
    return f"{waited} epoch{'s' * (waited > 1)}"


def mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def shown(outcome: Outcome, epoch: int) -> str:
    return value_of(outcome.monitor, outcome.epochs[epoch][outcome.monitor])
