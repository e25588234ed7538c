"""Advice on how a run is measured."""

from collections.abc import Iterator
from typing import get_args

from bakehouse.advice.advice import replace
from bakehouse.advice.dropout import SHIFT_SOURCE, variance_shift, variance_shift_direct
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.dropout import AnyDropout
from bakehouse.recipe.evaluation import Crops, Evaluation
from bakehouse.recipe.norm import BATCH_NORMS

ENOUGH_SAMPLES = 20


@rule("info", about=(Evaluation, *get_args(AnyDropout), *BATCH_NORMS), source=f"{SHIFT_SOURCE}, table 3")
def statistics_hold_the_shift(plan: Plan) -> Iterator[Finding]:
    """Moving averages contain the additional variance of dropout."""
    # Both rules are called, so that this advice appears exactly where theirs does.
    shifts = [*variance_shift_direct(plan), *variance_shift(plan)]
    if shifts and plan.recipe.evaluation.statistics == "moving":
        pointer = "/evaluation/statistics"
        message = f"the moving averages of {plan.recipe.norm.type} contain the variance that dropout at "
        message += f"{shifts[0].pointer} adds; population statistics do not, but cost one more pass over "
        message += f"{count_of(plan.sizes.train, 'row')} an epoch (CIFAR-100 error of a "
        message += (
            "DenseNet: 31.45% before, 26.98% after). The diagnostic variance_shift measures the ratio that remains."
        )
        yield Finding(pointer, message, replace(pointer, "population"))


@rule("warning", about=(Evaluation,), source="Goodfellow et al. 2016, Deep Learning, 7.12")
def measuring_outweighs_training(plan: Plan) -> Iterator[Finding]:
    """Warns if Monte Carlo dropout costs more than training, of which a step costs three forward passes."""
    samples = plan.recipe.evaluation.monte_carlo_samples
    epochs = plan.recipe.epochs
    if samples > ENOUGH_SAMPLES and samples * plan.sizes.test > 3 * epochs * plan.sizes.train:
        pointer = "/evaluation/monte_carlo_samples"
        message = (
            f"a test with {count_of(samples, 'pass')} over {plan.sizes.test:,} rows at the end costs "
            f"more than {count_of(epochs, 'epoch')} over "
        )
        message += (
            f"{plan.sizes.train:,} training rows, and it starts again if it is interrupted; 10 to 20 often suffice."
        )
        yield Finding(pointer, message, replace(pointer, ENOUGH_SAMPLES))


@rule("warning", about=(Crops,), source="Goodfellow et al. 2016, Deep Learning, 7.4")
def crops_change_meaning(plan: Plan) -> Iterator[Finding]:
    """Half of the votes are on mirror images of characters."""
    crops = plan.recipe.evaluation.crops
    pointer = "/evaluation/crops/flips"
    if crops is not None and crops.flips and not plan.card.mirror_safe:
        message = f"half of the crops of each image of {plan.card.id} are mirrored, and a mirrored image means "
        yield Finding(pointer, message + "something else or nothing (b becomes d).", replace(pointer, value=False))


@rule("warning", about=(Evaluation, *get_args(AnyDropout)), source="Gal & Ghahramani 2016, arXiv 1506.02142")
def masks_are_all_alike(plan: Plan) -> Iterator[Finding]:
    """Dropout of strength 0 draws no masks to average over."""
    samples = plan.recipe.evaluation.monte_carlo_samples
    if samples and all(getattr(item, str(item.main)) == 0 for item in plan.recipe.dropout):
        pointer = "/evaluation/monte_carlo_samples"
        message = (
            f"a test with {count_of(samples, 'pass')} measures the same as without, because dropout has the rate 0 "
        )
        yield Finding(pointer, f"{message}and there are no masks to average over.", replace(pointer, 0))
