"""Verdicts on the difference between training rows and other rows."""

from collections.abc import Iterator
from math import sqrt

from bakehouse.advice.advice import append
from bakehouse.plan.plan import Plan
from bakehouse.recipe.dropout import Dropout
from bakehouse.recipe.patch import PatchStep
from bakehouse.recipe.regularizer import L2, WeightDecay
from bakehouse.verdict.chance import wilson_interval
from bakehouse.verdict.divergence import peak_epoch
from bakehouse.verdict.layers import variance_shift
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import percent

LARGE_GAP = 0.05
"""A difference of accuracies, beyond what chance explains."""
LARGE_LOSS_RATIO = 2.0
LARGE_RISE = 1.25
LEAST_RISE = 0.02
RISE_OF_ROWS = 0.25
"""A rise below these shares of the first epoch's loss, the second over the root of the number of validation rows, is
noise: in healthy runs it was at most 0.02, on the 24 rows of iris 0.04."""
LEAST_EPOCHS = 3
"""A rise over fewer epochs may be noise."""


@rule("warning", source="Goodfellow et al. 2016, Deep Learning, 5.2 and 7.8")
def overfits(outcome: Outcome) -> Iterator[Found]:
    """The model is much better on its training rows than on others, or got worse on others as training went on."""
    message = clean_gap(outcome) or accuracy_gap(outcome) or loss_gap(outcome) or rise_since_best(outcome)
    if message:
        yield Found(f"{message}; more rows, augmentation, decay or dropout help", more_regularization(outcome.plan))


def clean_gap(outcome: Outcome) -> str:
    """Returns the gap between clean measurements of training rows and of validation rows, if it is large."""
    clean = outcome.diagnostics.get("clean_gap", {}).get("train_clean_accuracy")
    return gap_text(outcome, clean, outcome.last, "in a clean pass over training rows")


def accuracy_gap(outcome: Outcome) -> str:
    # With several targets or an adversary, the accuracy in training is still that of the main target. With a variance
    # shift, the same rows differ as much between the modes.
    if any(variance_shift(outcome)):
        return ""
    return gap_text(outcome, outcome.best.get("train_accuracy"), outcome.best, "on the training rows")


def gap_text(outcome: Outcome, trained: float | None, metrics: object, where: str) -> str:
    """Returns the difference of two accuracies if it is large and more than chance; else an empty text."""
    validated = dict(metrics).get("validation_accuracy") if isinstance(metrics, dict) else None
    if trained is None or validated is None:
        return ""
    high = wilson_interval(validated, outcome.plan.sizes.validation)[1]
    if trained - validated <= LARGE_GAP or trained <= high:
        return ""
    return f"accuracy is {percent(trained)} {where} and {percent(validated)} on the validation rows"


def loss_gap(outcome: Outcome) -> str:
    """Returns the ratio of two losses if it is large, for numbers; else an empty text."""
    if outcome.plan.data.main.classes is not None or len(outcome.plan.targets) > 1:
        return ""
    trained, validated = outcome.best.get("train_loss"), outcome.best.get("validation_loss")
    rows = outcome.plan.sizes.validation
    # Squared errors of normal errors vary by sqrt(2 / n) of their mean.
    if trained is None or validated is None or validated <= LARGE_LOSS_RATIO * (1 + 2 * sqrt(2 / rows)) * trained:
        return ""
    return f"the loss is {trained:.4g} on the training rows and {validated:.4g} on the validation rows"


def rise_since_best(outcome: Outcome) -> str:
    """Returns how far the validation loss rose after the best epoch while the training loss fell; else an empty
    text."""
    best, last = outcome.best, outcome.last
    is_short = outcome.last_epoch - outcome.best_epoch < LEAST_EPOCHS
    # After a divergence, both losses are those of other weights.
    if "validation_loss" not in best or is_short or peak_epoch(outcome) is not None:
        return ""
    first = outcome.epochs[min(outcome.epochs)]["validation_loss"]
    rise = last["validation_loss"] - best["validation_loss"]
    least = max(LEAST_RISE, RISE_OF_ROWS / sqrt(outcome.plan.sizes.validation))
    has_risen = last["validation_loss"] > LARGE_RISE * best["validation_loss"] > 0 and rise > least * first
    if not has_risen or last["train_loss"] >= best["train_loss"]:
        return ""
    text = f"since epoch {outcome.best_epoch} the validation loss rose from {best['validation_loss']:.4g} to "
    text += f"{last['validation_loss']:.4g} while the training loss fell from {best['train_loss']:.4g} to "
    return f"{text}{last['train_loss']:.4g}; the best weights are those of epoch {outcome.best_epoch}"


def more_regularization(plan: Plan) -> tuple[PatchStep, ...]:
    """Returns a patch that adds decay, or dropout before the output layer if there is decay."""
    recipe = plan.recipe
    if not recipe.find(WeightDecay) and not recipe.find(L2):
        return append("/regularizer", WeightDecay())
    return () if recipe.dropout else append("/dropout", Dropout(placement="classifier"))
