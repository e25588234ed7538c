"""Advice on normalisation layers and on going without."""

from collections.abc import Iterator
from math import gcd

from bakehouse.advice.advice import Advice, replace
from bakehouse.plan.checks.norm import layers_before_norms
from bakehouse.plan.layers import Activation, Conv, Norm, walk
from bakehouse.plan.layers import Linear as LinearLayer
from bakehouse.plan.plan import Plan
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm
from bakehouse.recipe.optimizer import Sgd

SMALL_BATCH = 16
DEEP = 5
HIGH_LR = 0.1
MAX_GROUPS = 32
MAX_LEFT = 0.05
"""Of the first values of moving averages, at the end of a run."""
LARGER_MOMENTUM = 0.1
RENORM_SOURCE = "Ioffe 2017, arXiv 1702.03275"
CROSS_SOURCE = "Yao et al. 2021, arXiv 2002.05712"


def batch_norm_small_batch(plan: Plan) -> Iterator[Advice]:
    """Statistics of a few rows are noise."""
    recipe = plan.recipe
    if isinstance(recipe.norm, BatchNorm) and recipe.batch_size < SMALL_BATCH and channels(plan):
        looks_back = all(isinstance(before, LinearLayer | Conv) for before in layers_before_norms(plan.root))
        sturdier = ("batch_renorm", "cross_iteration_batch_norm")[: 1 + looks_back]
        yield Advice(
            code="batch_norm_small_batch",
            severity="warning",
            pointer="/batch_size",
            message=f"batch_norm takes its mean and variance from {recipe.batch_size} rows; below {SMALL_BATCH} they "
            "are too noisy (ImageNet error at 2 images: 34.7% with batch norm, 24.1% with group norm). Group norm "
            f"does not depend on the batch; of those that do, {' and '.join(sturdier)} stand fewer rows best.",
            source="Wu & He 2018, arXiv 1803.08494, table 2",
            patch=replace("/norm", without_batch(plan, recipe.norm.placement)),
        )


def batch_renorm_stays_plain(plan: Plan) -> Iterator[Advice]:
    """The correction begins when the run is over."""
    norm = plan.recipe.norm
    if not isinstance(norm, BatchRenorm):
        return
    first = norm.plain_until * (plan.steps if norm.unit == "run" else 1)
    if first >= plan.steps:
        default = BatchRenorm()
        schedule = {name: getattr(default, name) for name in ("unit", "plain_until", "r_max_at", "d_max_at")}
        yield Advice(
            code="batch_renorm_stays_plain",
            severity="warning",
            pointer="/norm/plain_until",
            message=f"batch_renorm is plain batch norm for its first {first:,.0f} steps, and this run has "
            f"{plan.steps:,} at most; a schedule in shares of the run fits any.",
            source=f"{RENORM_SOURCE}, section 4",
            patch=replace("/norm", norm.model_copy(update=schedule)),
        )


def batch_renorm_averages_lag(plan: Plan) -> Iterator[Advice]:
    """What evaluation divides by is still what the run began with."""
    norm = plan.recipe.norm
    if not isinstance(norm, BatchRenorm):
        return
    left = (1 - norm.momentum) ** plan.steps
    if left > MAX_LEFT:
        yield Advice(
            code="batch_renorm_averages_lag",
            severity="warning",
            pointer="/norm/momentum",
            message=f"after all {plan.steps:,} steps the moving averages of batch_renorm are still {left:.0%} of their "
            f"first values 0 and 1, which say nothing of the data; a larger momentum than {norm.momentum:g} forgets "
            "them sooner.",
            source=f"{RENORM_SOURCE}, section 3",
            patch=replace("/norm/momentum", max(LARGER_MOMENTUM, 1 - MAX_LEFT ** (1.01 / plan.steps))),
        )


def cross_iteration_without_burn_in(plan: Plan) -> Iterator[Advice]:
    """The first steps are the largest."""
    norm = plan.recipe.norm
    if isinstance(norm, CrossIterationBatchNorm) and norm.window > 1 and norm.plain_until == 0:
        default = CrossIterationBatchNorm()
        yield Advice(
            code="cross_iteration_without_burn_in",
            severity="warning",
            pointer="/norm/plain_until",
            message=f"cross_iteration_batch_norm averages over {norm.window} iterations from the first step on, while "
            "all layers change fastest; only the change of the layer directly before a norm is made up for, so what "
            "earlier iterations say is off (a small cnn on digits, 6 rows a batch, 3 seeds: 90.7% right so, 95.9% "
            "after a tenth of the run as batch norm). Begin as batch norm.",
            source=CROSS_SOURCE,
            patch=replace("/norm", norm.model_copy(update={"unit": "run", "plain_until": default.plain_until})),
        )


def cross_iteration_stays_plain(plan: Plan) -> Iterator[Advice]:
    """The window opens when the run is over."""
    norm = plan.recipe.norm
    if not isinstance(norm, CrossIterationBatchNorm) or norm.window == 1:
        return
    first = norm.plain_until * (plan.steps if norm.unit == "run" else 1)
    if first >= plan.steps:
        default = CrossIterationBatchNorm()
        yield Advice(
            code="cross_iteration_stays_plain",
            severity="warning",
            pointer="/norm/plain_until",
            message=f"cross_iteration_batch_norm is plain batch norm for its first {first:,.0f} steps, and this run "
            f"has {plan.steps:,} at most; a burn-in in shares of the run fits any.",
            source=CROSS_SOURCE,
            patch=replace("/norm", norm.model_copy(update={"unit": "run", "plain_until": default.plain_until})),
        )


def group_norm_single_channel(plan: Plan) -> Iterator[Advice]:
    """One channel a group is instance norm by another name."""
    norm = plan.recipe.norm
    if isinstance(norm, GroupNorm) and norm.num_groups > 1 and norm.num_groups in channels(plan):
        groups = most_groups(plan)
        yield Advice(
            code="group_norm_single_channel",
            severity="warning",
            pointer="/norm/num_groups",
            message=f"{norm.num_groups} groups of {norm.num_groups} channels leave one channel a group, which is "
            f"instance norm; {groups} groups would share statistics.",
            source="Wu & He 2018, arXiv 1803.08494, section 3.1",
            patch=replace("/norm/num_groups", groups),
        )


def instance_norm_in_classifier(plan: Plan) -> Iterator[Advice]:
    """Contrast and brightness are taken from every image."""
    norm = plan.recipe.norm
    if isinstance(norm, InstanceNorm) and plan.data.task == "classification":
        yield Advice(
            code="instance_norm_in_classifier",
            severity="info",
            pointer="/norm",
            message="instance_norm removes each image's own contrast in every channel, which classes may differ in; "
            "it was made for style transfer. Group norm keeps the contrast between channels.",
            source="Ulyanov et al. 2016, arXiv 1607.08022",
            patch=replace("/norm", without_batch(plan, norm.placement)),
        )


def saturating_without_norm(plan: Plan) -> Iterator[Advice]:
    """Gradients vanish through many saturating layers."""
    names = [layer.name for _, layer in walk(plan.root) if isinstance(layer, Activation)]
    if isinstance(plan.recipe.norm, Off) and len(names) >= DEEP and names[0] in ("sigmoid", "tanh"):
        slope = f"at most 0.25, so a gradient shrinks to {0.25 ** len(names):.0e} of itself or less"
        yield Advice(
            code="saturating_without_norm",
            severity="warning",
            pointer="/architecture/activation",
            message=f"{len(names)} layers of {names[0]} without a norm: its slope is "
            + (slope if names[0] == "sigmoid" else "below 1 and near 0 where it saturates, so gradients vanish")
            + " before weights are counted. relu does not saturate.",
            source="Glorot & Bengio 2010, AISTATS",
            patch=replace("/architecture/activation", "relu"),
        )


def high_lr_without_norm(plan: Plan) -> Iterator[Advice]:
    """Large steps are what norms make safe."""
    recipe = plan.recipe
    if not isinstance(recipe.optimizer, Sgd) or isinstance(recipe.architecture, Linear):
        return
    if isinstance(recipe.norm, Off) and recipe.optimizer.lr > HIGH_LR:
        yield Advice(
            code="high_lr_without_norm",
            severity="warning",
            pointer="/optimizer/lr",
            message=f"sgd at lr {recipe.optimizer.lr:g} without a norm is likely to diverge: without one, weights and "
            f"their gradients grow together. {HIGH_LR:g} is the usual start even with one.",
            source="Ioffe & Szegedy 2015, arXiv 1502.03167, section 3.3",
            patch=replace("/optimizer/lr", HIGH_LR),
        )


def channels(plan: Plan) -> set[int]:
    """Channels (features of rows) of the layers that are normalised."""
    return {layer.input[0] for _, layer in walk(plan.root) if isinstance(layer, Norm)}


def most_groups(plan: Plan) -> int:
    """The largest number of groups up to 32 that divides all channels and leaves each group two or more."""
    counts = channels(plan)
    return max((n for n in range(1, MAX_GROUPS + 1) if gcd(*counts) % n == 0 and n < min(counts)), default=1)


def without_batch(plan: Plan, placement: str) -> GroupNorm | Off:
    """A group norm that fits every layer; no norm where a layer has a single unit."""
    if min(channels(plan)) == 1:
        return Off()
    return GroupNorm.model_validate({"num_groups": most_groups(plan), "placement": placement})
