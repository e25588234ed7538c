"""Verdicts on validation splits that are too small."""

from collections.abc import Iterator
from math import sqrt

from bakehouse.advice.advice import replace
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.patch import PatchStep
from bakehouse.verdict.chance import wilson_interval
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import percent

WIDE_INTERVAL = 0.3
"""The width of an interval that 24 rows (a fifth of iris) stay below in healthy runs; 6 rows are above."""
UNCERTAIN_LOSS = 0.5
"""That of the squared errors of 32 rows."""
MOST_VALIDATION = 0.4


@rule("warning", source="Wilson 1927, JASA 22; Brown et al. 2001, Statistical Science 16")
def best_is_noise(outcome: Outcome) -> Iterator[Found]:
    """So few rows choose the best epoch that chance chooses it."""
    rows = outcome.plan.sizes.validation
    text = accuracy_interval(outcome, rows) if "validation_accuracy" in outcome.best else loss_interval(outcome, rows)
    if text:
        yield Found(
            f"{text}; take more rows for validation, or the mean of several seeds", larger_validation(outcome.plan)
        )


def accuracy_interval(outcome: Outcome, rows: int) -> str:
    """Returns the interval of the best accuracy if it is wide and holds most other epochs; else an empty text."""
    best = outcome.best["validation_accuracy"]
    low, high = wilson_interval(best, rows)
    others = [value for epoch, value in outcome.series("validation_accuracy").items() if epoch != outcome.best_epoch]
    inside = sum(low <= value <= high for value in others)
    if high - low <= WIDE_INTERVAL or 2 * inside < len(others):
        return ""
    text = (
        f"the best validation accuracy {percent(best)} is that of {count_of(rows, 'row')}, so it "
        f"may be {percent(low)} to "
    )
    return f"{text}{percent(high)} (95%); {inside} of {len(others)} other epochs are within, and chance chose the best"


def loss_interval(outcome: Outcome, rows: int) -> str:
    """Returns the uncertainty of the best mean squared error if it is large; else an empty text."""
    uncertain = 2 * sqrt(2 / rows)
    if "validation_loss" not in outcome.best or uncertain <= UNCERTAIN_LOSS:
        return ""
    best = outcome.best["validation_loss"]
    others = [value for epoch, value in outcome.series("validation_loss").items() if epoch != outcome.best_epoch]
    inside = sum(abs(value - best) <= uncertain * best for value in others)
    if 2 * inside < len(others):
        return ""
    text = (
        f"the best validation loss {best:.4g} is that of {count_of(rows, 'row')}, so it is "
        f"uncertain by {percent(uncertain)} (95%, "
    )
    text += f"for normal errors); {inside} of {len(others)} other epochs are within, and chance chose the best"
    return text


def larger_validation(plan: Plan) -> tuple[PatchStep, ...]:
    """Returns a patch that doubles the share of validation rows, unless the data set or the folds decide it."""
    dataset = plan.recipe.dataset
    fraction = 2 * dataset.validation_fraction
    is_fixed = plan.card.counts.validation is not None or dataset.folds is not None
    return () if is_fixed or fraction > MOST_VALIDATION else replace("/dataset/validation_fraction", fraction)
