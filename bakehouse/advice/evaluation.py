"""Advice on how a run is measured."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, replace
from bakehouse.advice.dropout import SHIFT_SOURCE, variance_shift, variance_shift_direct
from bakehouse.plan.plan import Plan

ENOUGH_SAMPLES = 20


def statistics_hold_the_shift(plan: Plan) -> Iterator[Advice]:
    """Moving averages keep the variance that dropout made."""
    warned = [*variance_shift_direct(plan), *variance_shift(plan)]
    if warned and plan.recipe.evaluation.statistics == "moving":
        yield Advice(
            code="statistics_hold_the_shift",
            severity="info",
            pointer="/evaluation/statistics",
            message=f"the moving averages of {plan.recipe.norm.type} hold the variance that dropout at "
            f"{warned[0].pointer} makes; population statistics are taken with dropout off, for one more forward pass "
            f"over {plan.sizes.train:,} rows an epoch (CIFAR-100 error of a DenseNet: 31.45% before, 26.98% after). "
            "The diagnostic variance_shift tells the ratio that is left.",
            source=f"{SHIFT_SOURCE}, table 3",
            patch=replace("/evaluation/statistics", "population"),
        )


def measuring_outweighs_training(plan: Plan) -> Iterator[Advice]:
    """Each sample of dropout masks is a pass over the test split; a training step is worth three."""
    samples, trained = plan.recipe.evaluation.monte_carlo_samples, 3 * plan.recipe.epochs * plan.sizes.train
    if samples > ENOUGH_SAMPLES and samples * plan.sizes.test > trained:
        yield Advice(
            code="measuring_outweighs_training",
            severity="warning",
            pointer="/evaluation/monte_carlo_samples",
            message=f"{samples} passes over {plan.sizes.test:,} test rows at the end are more work than "
            f"{plan.recipe.epochs} epochs over {plan.sizes.train:,} training rows, and begin anew if they are "
            "interrupted; 10 to 20 samples often suffice.",
            source="Goodfellow et al. 2016, Deep Learning, 7.12",
            patch=replace("/evaluation/monte_carlo_samples", ENOUGH_SAMPLES),
        )


def crops_change_meaning(plan: Plan) -> Iterator[Advice]:
    """Half of the votes are on mirror images of characters."""
    crops = plan.recipe.evaluation.crops
    if crops is not None and crops.flips and not plan.card.mirror_safe:
        yield Advice(
            code="crops_change_meaning",
            severity="warning",
            pointer="/evaluation/crops/flips",
            message=f"half of the crops of each image of {plan.card.id} are mirrored, and there a mirror image means "
            "something else or nothing (b and d).",
            source="Goodfellow et al. 2016, Deep Learning, 7.4",
            patch=replace("/evaluation/crops/flips", value=False),
        )
