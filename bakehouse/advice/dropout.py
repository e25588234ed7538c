"""Advice on dropout."""

from collections.abc import Iterator
from typing import get_args

from bakehouse.advice.advice import append, remove, replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.advice.variance_shift import CORRELATION, Shift, shifts
from bakehouse.plan.plan import Plan
from bakehouse.recipe.architecture import Preresnet, WideResnet
from bakehouse.recipe.dropout import (
    AnyDropout,
    DropConnect,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    Uout,
    VanillaDropout,
)
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.ingredient import Off, with_field
from bakehouse.recipe.norm import BATCH_NORMS
from bakehouse.recipe.optimizer import Sgd
from bakehouse.recipe.patch import PatchStep
from bakehouse.recipe.regularizer import MaxNorm

DIRECT_RATE = 0.3
"""Directly before a norm, no rate up to 0.5 cost a preresnet of depth 8 accuracy that 5 seeds can show; 0.7 cost depth
20, on few rows, 10.5 points (cookbook/dropout_before_norm), and the paper found a cost at 0.5."""
CONV_RATE = 0.2
"""Before a convolution, 0.1 cost 0.06 points, 0.2 cost 0.39 and half of the loss again, and 0.3 cost 2.17."""
BRANCH_RATE = 0.5
"""In the branch of a residual block, 0.5 cost 0.33 points, which 5 seeds cannot tell from none."""
UNIT_RATE = 0.4
NARROW_RATE = 0.3
"""Before fully-connected layers of 64 inputs, 0.2 cost 0.06 points, 0.3 cost 0.67 and 0.4 cost 1.06; of 256 inputs, 0.3
cost 0.22, 0.4 cost 0.33 and 0.5 cost 0.84."""
WIDE = 256
MANY_CLASSES = 100
MAX_BEFORE_MANY_CLASSES = 0.3
HEAVY = 0.5
FEW_ROWS = 5_000
SHIFT_SOURCE = "Li et al. 2018, arXiv 1801.05134"
KIM = "Kim et al. 2023, How to Use Dropout Correctly on Residual Networks with Batch Normalization"
ALL = get_args(AnyDropout)
WITH_RATE = with_field(AnyDropout, "rate")


@rule("warning", about=(*ALL, *BATCH_NORMS), source=f"{SHIFT_SOURCE}, equation 8 and table 3 (a)")
def variance_shift_direct(plan: Plan) -> Iterator[Finding]:
    """Dropout at 0.3 or more is directly before batch norm: case (a) of the paper."""
    for shift in worst(shift for shift in shifts(plan) if not shift.fan_in and shift.rate >= DIRECT_RATE):
        message = f"{shift.norm} estimates its variance with {with_strength(shift.dropout.spec)} directly before it; "
        message += (
            f"in evaluation the variance is about {shift.ratio:.2f} times that, so outputs are too small. Dropout "
        )
        message += "after the last norm does no such harm."
        yield Finding(f"/dropout/{shift.dropout.index}", message, after_all_norms(plan, shift))


@rule("warning", about=(*ALL, *BATCH_NORMS), source=f"{SHIFT_SOURCE}, equation 14 and table 3 (b)")
def variance_shift(plan: Plan) -> Iterator[Finding]:
    """Weights are between dropout and batch norm, case (b) of the paper, at a rate that was found to cost accuracy."""
    for shift in worst(shift for shift in shifts(plan) if shift.fan_in and is_costly(plan, shift)):
        message = f"{shift.norm} estimates its variance after {with_strength(shift.dropout.spec)}; in evaluation it is "
        message += (
            f"about {shift.ratio:.2f} times that if inputs are not correlated, {shift.correlated:.2f} times at a "
        )
        message += f"correlation of {CORRELATION:g} (here a unit sums {shift.fan_in:,}). {measured_cost(plan, shift)} "
        yield Finding(
            f"/dropout/{shift.dropout.index}",
            f"{message}Dropout after the last norm does no such harm.",
            after_all_norms(plan, shift),
        )


def is_in_branch(plan: Plan, shift: Shift) -> bool:
    """Whether dropout is before the last convolution of a pre-activated block, so that an addition dilutes it before
    the next norm."""
    is_pre_activated = isinstance(plan.recipe.architecture, Preresnet | WideResnet)
    return is_pre_activated and shift.dropout.spec.placement == "block_before_conv"


def is_costly(plan: Plan, shift: Shift) -> bool:
    """Whether dropout of this strength was found to cost accuracy at such a place."""
    if is_in_branch(plan, shift):
        return shift.rate > BRANCH_RATE
    if shift.is_conv:
        return shift.rate >= CONV_RATE
    return shift.rate >= (UNIT_RATE if shift.fan_in >= WIDE else NARROW_RATE)


def measured_cost(plan: Plan, shift: Shift) -> str:
    """Returns what dropout before weights and a batch norm cost in networks like this."""
    if shift.dropout.spec.placement == "block_before_conv":
        return (
            f"Up to 0.5, it cost a preresnet of depth 8 no accuracy that 5 seeds can show; beyond, see {SHIFT_SOURCE}."
        )
    if shift.is_conv:
        text = "A cnn of two stages on digits (5 seeds) has 98.8% accuracy without it, 98.4% at 0.2, 96.6% at 0.3, "
        return f"{text}91.2% at 0.4 and 77.6% at 0.5; with layer_norm 98.3% at 0.3 and 97.3% at 0.5."
    text = "Two layers of 64 units on digits (5 seeds) have 97.7% accuracy without it, 97.0% at 0.3 and 96.8% at 0.5; "
    return f"{text}of 256 units, 98.6%, 98.3% and 97.7%."


@rule("warning", about=WITH_RATE, source="Srivastava et al. 2014, JMLR 15, appendix A.4")
def dropout_rate_high(plan: Plan) -> Iterator[Finding]:
    """No paper found such a rate to help."""
    for index, item in enumerate(plan.recipe.dropout):
        most, usual = (0.5, 0.2) if item.placement == "input" else (0.8, 0.5)
        if isinstance(item, Uout | GaussianNoise) or item.rate <= most:
            continue
        units = "of the inputs" if item.placement == "input" else "of hidden units"
        units = "of the weights" if isinstance(item, DropConnect) else units
        effect = "are drowned in noise" if isinstance(item, GaussianDropout) else "are zero at every step"
        message = f"{item.rate:.0%} {units} {effect}; {usual:.0%} is usual. `rate` is the share that is dropped: to "
        message += f"keep {item.rate:.0%}, write {1 - item.rate:.2g}."
        yield Finding(f"/dropout/{index}/rate", message, replace(f"/dropout/{index}/rate", usual))


@rule("info", about=(Dropout, VanillaDropout, GaussianDropout), source=f"{SHIFT_SOURCE}, table 4")
def dropout_of_many_classes(plan: Plan) -> Iterator[Finding]:
    """A high rate before the output layer does harm after batch norm if each of many classes has few rows."""
    classes = len(plan.data.main.classes or ())
    rows = plan.sizes.train
    # CIFAR-100, on which the paper measured, has 500 training rows of each class.
    if not isinstance(plan.recipe.norm, BATCH_NORMS) or classes < MANY_CLASSES or rows > 500 * classes:
        return
    for index, item in enumerate(plan.recipe.dropout):
        if not isinstance(item, Dropout | VanillaDropout | GaussianDropout) or item.placement != "classifier":
            continue
        if item.rate > MAX_BEFORE_MANY_CLASSES:
            message = f"{item.type} at {item.rate:g} before an output of {classes} classes with {rows / classes:.0f} "
            message += "rows each; with 500 each (CIFAR-100, DenseNet), a rate of 0.1 to 0.2 there lowered the error "
            message += "from 22.6% to 21.9%, and 0.5 raised it to 23.5%."
            yield Finding(f"/dropout/{index}/rate", message, replace(f"/dropout/{index}/rate", 0.2))


@rule("info", about=(*WITH_RATE, Preresnet, WideResnet), source=KIM)
def dropout_before_the_last_norm(plan: Plan) -> Iterator[Finding]:
    """In a pre-activated block, the placement after the last norm is better."""
    recipe = plan.recipe
    if not isinstance(recipe.architecture, Preresnet | WideResnet) or not isinstance(recipe.norm, BATCH_NORMS):
        return
    for index, item in enumerate(recipe.dropout):
        if item.placement != "block_before_norm" or not isinstance(item, WITH_RATE):
            continue
        path = f"/dropout/{index}"
        message = f"{item.type} is before the last norm of each block of {recipe.architecture.type}; after it, before "
        message += "the last convolution (block_before_conv), is the better placement inside blocks."
        is_there = any(other.type == item.type and other.placement == "block_before_conv" for other in recipe.dropout)
        patch = remove(path) if is_there else replace(f"{path}/placement", "block_before_conv")
        yield Finding(f"{path}/placement", message, patch)


@rule("info", about=(Dropout, VanillaDropout, MaxNorm, Sgd), source="Srivastava et al. 2014, JMLR 15, appendix A")
def dropout_without_max_norm(plan: Plan) -> Iterator[Finding]:
    """The paper combined dropout with wider layers, larger steps and a limit on the weights."""
    recipe = plan.recipe
    plain = [item for item in recipe.dropout if isinstance(item, Dropout | VanillaDropout)]
    rates = [item.rate for item in plain if item.rate >= HEAVY and item.placement == "hidden"]
    if not rates or not isinstance(recipe.optimizer, Sgd) or not isinstance(recipe.norm, Off) or recipe.find(MaxNorm):
        return
    message = f"{max(rates):.0%} of the hidden units are dropped and nothing limits the weights. max_norm at 3 to 4 "
    message += "allows 10 times the learning rate or a momentum of 0.95 to 0.99; to keep n units active, a layer "
    message += f"needs n / {1 - max(rates):.2g} units."
    yield Finding("/regularizer", message, append("/regularizer", MaxNorm()))


@rule("info", about=ALL, source="Goodfellow et al. 2016, Deep Learning, 7.12")
def dropout_alone(plan: Plan) -> Iterator[Finding]:
    """Dropout alone helps little if there are few rows."""
    recipe = plan.recipe
    rows = plan.sizes.train
    other = recipe.regularizer or recipe.augmentation or recipe.objective.label_smoothing
    if recipe.dropout and not other and isinstance(recipe.early_stopping, Off) and rows < FEW_ROWS:
        message = (
            f"only dropout regularises {rows:,} rows; below {FEW_ROWS:,} it was found to help little. Early stopping, "
        )
        message += "decay or augmentation helps more."
        yield Finding("/early_stopping", message, replace("/early_stopping", Patience()))


def worst(found: Iterator[Shift]) -> Iterator[Shift]:
    """Yields, for each dropout of the recipe, the shift at a convolution, else that with the fewest inputs per unit."""
    # One advice per dropout is enough; convolutions, and then the fewest inputs, give the largest shift.
    by_index: dict[int, list[Shift]] = {}
    for shift in found:
        by_index.setdefault(shift.dropout.index, []).append(shift)
    for group in by_index.values():
        yield min(group, key=lambda shift: (not shift.is_conv, shift.fan_in))


def after_all_norms(plan: Plan, shift: Shift) -> tuple[PatchStep, ...]:
    """Returns a patch that moves a dropout to the classifier, or removes it if the classifier has one of its kind."""
    spec = shift.dropout.spec
    index = shift.dropout.index
    # The classifier has no maps, so spatial dropout becomes plain dropout.
    kind = "dropout" if isinstance(spec, SpatialDropout) else spec.type
    if any(item.type == kind and item.placement == "classifier" for item in plan.recipe.dropout):
        return remove(f"/dropout/{index}")
    if isinstance(spec, SpatialDropout):
        return replace(f"/dropout/{index}", Dropout(rate=spec.rate, placement="classifier"))
    return replace(f"/dropout/{index}/placement", "classifier")


def with_strength(spec: AnyDropout) -> str:
    """Names a dropout with its strength, for example `dropout at 0.5`."""
    return f"{spec.type} at {getattr(spec, str(spec.main)):g}"
