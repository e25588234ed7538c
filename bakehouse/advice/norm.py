"""Advice on norms, and on networks without one."""

from collections.abc import Iterator
from math import gcd

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.checks.norm import layers_before_norms, norms
from bakehouse.plan.layers import Activation, Conv, Recurrent, walk
from bakehouse.plan.layers import Linear as LinearLayer
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.architecture import AnyArchitecture, Linear
from bakehouse.recipe.ingredient import Off, with_field
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm
from bakehouse.recipe.optimizer import Sgd
from bakehouse.recipe.patch import PatchStep

SMALL_BATCH = 16
DEEP = 5
HIGH_LR = 0.1
# 32 groups are the default of Wu & He 2018.
MAX_GROUPS = 32
MAX_LEFT = 0.05
"""Limit on the share of the moving averages' initial values that is left at the end of a run."""
LARGER_MOMENTUM = 0.1
RENORM_SOURCE = "Ioffe 2017, arXiv 1702.03275"
CROSS_SOURCE = "Yao et al. 2021, arXiv 2002.05712"


@rule("warning", about=(BatchNorm,), source="Wu & He 2018, arXiv 1803.08494, table 2")
def batch_norm_small_batch(plan: Plan) -> Iterator[Finding]:
    """Statistics of a few rows are noise."""
    recipe = plan.recipe
    # Without normalised layers, the norm does nothing and `without_batch` has no smallest channel count.
    if not isinstance(recipe.norm, BatchNorm) or recipe.batch_size >= SMALL_BATCH or not channels(plan):
        return
    looks_back = all(isinstance(before, LinearLayer | Conv) for before in layers_before_norms(plan.root))
    sturdier = "batch_renorm and cross_iteration_batch_norm tolerate" if looks_back else "batch_renorm tolerates"
    message = (
        f"batch_norm takes its statistics from {count_of(recipe.batch_size, 'row')}; below "
        f"{SMALL_BATCH} they are too noisy "
    )
    message += "(ImageNet error at 2 images: 34.7%, 24.1% with group norm, which does not depend on the batch). Of "
    message += f"the norms that use the batch, {sturdier} small batches best."
    yield Finding("/batch_size", message, replace("/norm", without_batch(plan, recipe.norm.placement)))


@rule("warning", about=(BatchRenorm,), source=f"{RENORM_SOURCE}, section 4")
def batch_renorm_stays_plain(plan: Plan) -> Iterator[Finding]:
    """The correction would begin only after the run has ended."""
    norm = plan.recipe.norm
    if isinstance(norm, BatchRenorm) and burn_in_steps(norm, plan) >= plan.steps:
        default = BatchRenorm()
        schedule = {name: getattr(default, name) for name in ("unit", "burn_in", "r_max_from", "d_max_from")}
        yield Finding("/norm/burn_in", stays_plain(norm, plan), replace("/norm", norm.model_copy(update=schedule)))


@rule("warning", about=(BatchRenorm,), source=f"{RENORM_SOURCE}, section 3")
def batch_renorm_averages_lag(plan: Plan) -> Iterator[Finding]:
    """Evaluation still depends on the initial values of the moving averages."""
    norm = plan.recipe.norm
    if not isinstance(norm, BatchRenorm):
        return
    left = (1 - norm.momentum) ** plan.steps
    if left > MAX_LEFT:
        message = (
            f"after {count_of(plan.steps, 'step')} the moving averages of batch_renorm are still {left:.0%} of their "
        )
        message += f"first values 0 and 1, which say nothing about the data; a momentum above {norm.momentum:g} "
        message += "forgets them sooner."
        # The 1.01 is a margin, so that rounding does not bring the same advice again after the patch.
        momentum = max(LARGER_MOMENTUM, 1 - MAX_LEFT ** (1.01 / plan.steps))
        yield Finding("/norm/momentum", message, replace("/norm/momentum", momentum))


@rule("warning", about=(CrossIterationBatchNorm,), source=CROSS_SOURCE)
def cross_iteration_without_burn_in(plan: Plan) -> Iterator[Finding]:
    """Warns that weights change fastest in the first steps, where earlier iterations say least about the present."""
    norm = plan.recipe.norm
    if isinstance(norm, CrossIterationBatchNorm) and norm.window > 1 and norm.burn_in == 0:
        message = (
            f"cross_iteration_batch_norm averages statistics over {norm.window} iterations from the first step on, "
        )
        message += (
            "while all layers change fastest, and it compensates only for the layer directly before a norm (a small "
        )
        message += "cnn on digits, 6 rows a batch, 3 seeds: 90.7% accuracy like this, 95.9% if the first tenth of "
        message += "the run is batch norm)."
        yield Finding("/norm/burn_in", message, default_burn_in(norm))


@rule("warning", about=(CrossIterationBatchNorm,), source=CROSS_SOURCE)
def cross_iteration_stays_plain(plan: Plan) -> Iterator[Finding]:
    """The burn-in is as long as the run."""
    norm = plan.recipe.norm
    if isinstance(norm, CrossIterationBatchNorm) and norm.window > 1 and burn_in_steps(norm, plan) >= plan.steps:
        yield Finding("/norm/burn_in", stays_plain(norm, plan), default_burn_in(norm))


def burn_in_steps(norm: BatchRenorm | CrossIterationBatchNorm, plan: Plan) -> float:
    return norm.burn_in * (plan.steps if norm.unit == "run" else 1)


def stays_plain(norm: BatchRenorm | CrossIterationBatchNorm, plan: Plan) -> str:
    return (
        f"{norm.type} is plain batch norm for its first {burn_in_steps(norm, plan):,.0f} steps, and this run has "
        f"{plan.steps:,} at most; a burn-in as a share of the run fits any run."
    )


def default_burn_in(norm: CrossIterationBatchNorm) -> tuple[PatchStep, ...]:
    change = {"unit": "run", "burn_in": CrossIterationBatchNorm().burn_in}
    return replace("/norm", norm.model_copy(update=change))


@rule("warning", about=(GroupNorm,), source="Wu & He 2018, arXiv 1803.08494, section 3.1")
def group_norm_single_channel(plan: Plan) -> Iterator[Finding]:
    """Group norm with one channel in each group is instance norm."""
    norm = plan.recipe.norm
    if isinstance(norm, GroupNorm) and norm.num_groups > 1 and norm.num_groups in channels(plan):
        groups = most_groups(plan)
        message = f"{norm.num_groups} groups of {norm.num_groups} channels leave one channel a group, which is "
        message += f"instance norm; {groups} groups would share statistics."
        yield Finding("/norm/num_groups", message, replace("/norm/num_groups", groups))


@rule("warning", about=with_field(AnyArchitecture, "activation"), source="Glorot & Bengio 2010, AISTATS")
def saturating_without_norm(plan: Plan) -> Iterator[Finding]:
    """Gradients vanish through many saturating layers."""
    names = [layer.name for _, layer in walk(plan.root) if isinstance(layer, Activation)]
    if not isinstance(plan.recipe.norm, Off) or len(names) < DEEP or names[0] not in ("sigmoid", "tanh"):
        return
    slope = "below 1 and near 0 where it saturates, so gradients vanish"
    if names[0] == "sigmoid":
        # The slope s (1 - s) of the sigmoid is largest at 0, where it is 1/4.
        slope = f"at most 0.25, so a gradient shrinks to {0.25 ** len(names):.0e} of itself or less"
    message = (
        f"{count_of(len(names), 'layer')} of {names[0]} without a norm: its slope is {slope}, "
        "not counting the weights. "
    )
    message += "relu "
    yield Finding(
        "/architecture/activation", message + "does not saturate.", replace("/architecture/activation", "relu")
    )


@rule("warning", about=(Sgd,), source="Ioffe & Szegedy 2015, arXiv 1502.03167, section 3.3")
def high_lr_without_norm(plan: Plan) -> Iterator[Finding]:
    """Large steps are safe only with a norm."""
    recipe = plan.recipe
    optimizer = plan.recipe.optimizer
    if not isinstance(optimizer, Sgd) or isinstance(recipe.architecture, Linear) or not isinstance(recipe.norm, Off):
        return
    if optimizer.lr > HIGH_LR:
        message = f"sgd at lr {optimizer.lr:g} without a norm is likely to diverge: weights and their gradients grow "
        message += f"together. {HIGH_LR:g} is the usual start even with a norm."
        yield Finding("/optimizer/lr", message, replace("/optimizer/lr", HIGH_LR))


@rule("info", about=(InstanceNorm,), source="Ulyanov et al. 2016, arXiv 1607.08022")
def instance_norm_in_classifier(plan: Plan) -> Iterator[Finding]:
    """Instance norm removes the contrast and brightness of every image."""
    norm = plan.recipe.norm
    if isinstance(norm, InstanceNorm) and plan.data.main.task == "classification":
        message = "instance_norm removes each image's contrast in every channel, in which classes may differ; it was "
        message += "made for style transfer. Group norm keeps the contrast between channels."
        yield Finding("/norm", message, replace("/norm", without_batch(plan, norm.placement)))


def channels(plan: Plan) -> set[int]:
    """Returns the numbers of channels, or features, of the normalised layers, and of recurrent states, which only norms
    over a single sample reach."""
    states = {layer.hidden_size for _, layer in walk(plan.root) if isinstance(layer, Recurrent)}
    return states | {layer.input[0] for _, layer in norms(plan.root)}


def most_groups(plan: Plan) -> int:
    """Returns the largest number of groups up to 32 that divides all channels and leaves each group two or more."""
    counts = channels(plan)
    return max((n for n in range(1, MAX_GROUPS + 1) if gcd(*counts) % n == 0 and n < min(counts)), default=1)


def without_batch(plan: Plan, placement: str) -> GroupNorm | Off:
    """Returns a group norm that fits every layer, or no norm if a layer has a single unit."""
    if min(channels(plan)) == 1:
        return Off()
    return GroupNorm.model_validate({"num_groups": most_groups(plan), "placement": placement})
