"""Advice on dropout."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, PatchStep, remove, replace
from bakehouse.advice.variance_shift import Shift, shifts
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
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm
from bakehouse.recipe.optimizer import Sgd
from bakehouse.recipe.regularizer import MaxNorm

WIDE = 256
"""Inputs of a unit from which a moderate dropout before batch norm is harmless (table 1 of the paper)."""
MANY_CLASSES = 100
MAX_BEFORE_MANY_CLASSES = 0.3
HEAVY = 0.5
FEW_ROWS = 5_000
SHIFT_SOURCE = "Li et al. 2018, arXiv 1801.05134"


def variance_shift_direct(plan: Plan) -> Iterator[Advice]:
    """Dropout right before batch norm: case (a) of the paper."""
    for shift in worst(shift for shift in shifts(plan) if not shift.fan_in):
        yield Advice(
            code="variance_shift_direct",
            severity="warning",
            pointer=f"/dropout/{shift.dropout.index}",
            message=f"{shift.norm} learns its variance with {named(shift.dropout.spec)} right before it; in "
            f"evaluation the variance is about {shift.ratio:.2f} of that, so outputs come out too small. Dropout "
            "after the last norm shifts nothing.",
            source=f"{SHIFT_SOURCE}, equation 8 and table 3 (a)",
            patch=behind_all_norms(plan, shift),
        )


def variance_shift(plan: Plan) -> Iterator[Advice]:
    """Dropout, weights, then batch norm: case (b) of the paper, where the weights are narrow or the rate high."""
    for shift in worst(shift for shift in shifts(plan) if shift.fan_in):
        if shift.rate <= 0.3 and shift.fan_in >= WIDE:
            continue
        yield Advice(
            code="variance_shift",
            severity="warning",
            pointer=f"/dropout/{shift.dropout.index}",
            message=f"{shift.norm} learns its variance behind {named(shift.dropout.spec)}; in evaluation it meets "
            f"between about {shift.ratio:.2f} of that variance and all of it: the more inputs a unit adds up (here "
            f"{shift.fan_in:,}) and the more alike they are, the closer to all. "
            "Dropout after the last norm shifts nothing.",
            source=f"{SHIFT_SOURCE}, equation 14 and table 3 (b)",
            patch=behind_all_norms(plan, shift),
        )


def dropout_rate_high(plan: Plan) -> Iterator[Advice]:
    """More is dropped than was ever found to help."""
    for index, item in enumerate(plan.recipe.dropout):
        most, usual = (0.5, 0.2) if item.placement == "input" else (0.8, 0.5)
        if not isinstance(item, Uout | GaussianNoise) and item.rate > most:
            place = "of the inputs" if item.placement == "input" else "of hidden units"
            place = "of the weights" if isinstance(item, DropConnect) else place
            effect = "are drowned in noise" if isinstance(item, GaussianDropout) else "are zero at every step"
            yield Advice(
                code="dropout_rate_high",
                severity="warning",
                pointer=f"/dropout/{index}/rate",
                message=f"{item.rate:.0%} {place} {effect}; {usual:.0%} is usual. `rate` is what is "
                f"dropped: to keep {item.rate:.0%}, write {1 - item.rate:.2g}.",
                source="Srivastava et al. 2014, JMLR 15, appendix A.4",
                patch=replace(f"/dropout/{index}/rate", usual),
            )


def dropout_of_many_classes(plan: Plan) -> Iterator[Advice]:
    """Few rows a class cannot spare half of the last features, with a batch norm before them."""
    classes, rows = len(plan.data.classes or ()), plan.sizes.train
    if not isinstance(plan.recipe.norm, BatchNorm | BatchRenorm) or classes < MANY_CLASSES or rows > 500 * classes:
        return
    for index, item in enumerate(plan.recipe.dropout):
        if isinstance(item, Dropout | VanillaDropout | GaussianDropout) and item.placement == "classifier":
            if item.rate <= MAX_BEFORE_MANY_CLASSES:
                continue
            yield Advice(
                code="dropout_of_many_classes",
                severity="info",
                pointer=f"/dropout/{index}/rate",
                message=f"{item.type} at {item.rate:g} before an output of {classes} classes with {rows / classes:.0f} "
                "rows each: on CIFAR-100, with 500, 0.1 to 0.2 in this place helped DenseNet (error 22.6% to 21.9%) "
                "and 0.5 hurt it (23.5%).",
                source=f"{SHIFT_SOURCE}, table 4",
                patch=replace(f"/dropout/{index}/rate", 0.2),
            )


def dropout_before_the_last_norm(plan: Plan) -> Iterator[Advice]:
    """Inside a pre-activated block dropout has a place behind the block's last norm."""
    recipe = plan.recipe
    blocks = isinstance(recipe.architecture, Preresnet | WideResnet)
    if not blocks or not isinstance(recipe.norm, BatchNorm | BatchRenorm):
        return
    for index, item in enumerate(recipe.dropout):
        if item.placement == "block_before_norm" and not isinstance(item, Uout | GaussianNoise):
            there = any(other.type == item.type and other.placement == "block_before_conv" for other in recipe.dropout)
            path = f"/dropout/{index}"
            yield Advice(
                code="dropout_before_the_last_norm",
                severity="info",
                pointer=f"{path}/placement",
                message=f"{item.type} stands before the last norm of each block of {recipe.architecture.type}; behind "
                "it, before the block's last convolution (block_before_conv), is the better place inside blocks.",
                source="Kim et al. 2023, How to Use Dropout Correctly on Residual Networks with Batch Normalization",
                patch=remove(path) if there else replace(f"{path}/placement", "block_before_conv"),
            )


def dropout_without_max_norm(plan: Plan) -> Iterator[Advice]:
    """Half of the units, the same width and steps: what the paper changed beside the dropout."""
    recipe = plan.recipe
    if not isinstance(recipe.optimizer, Sgd) or not isinstance(recipe.norm, Off):
        return
    heavy = [item for item in recipe.dropout if isinstance(item, Dropout | VanillaDropout) and item.rate >= HEAVY]
    hidden = [item for item in heavy if item.placement == "hidden"]
    if hidden and not any(isinstance(item, MaxNorm) for item in recipe.regularizer):
        rate = max(item.rate for item in hidden)
        yield Advice(
            code="dropout_without_max_norm",
            severity="info",
            pointer="/regularizer",
            message=f"{rate:.0%} of the hidden units are dropped and the weights may grow as they like. With max_norm "
            "at 3 to 4, noisy gradients allow 10 times the learning rate or a momentum of 0.95 to 0.99, and a layer "
            f"of n units has n / {1 - rate:.2g} to keep as many.",
            source="Srivastava et al. 2014, JMLR 15, appendix A",
            patch=(PatchStep(op="add", path="/regularizer/-", value=MaxNorm().model_dump(mode="json")),),
        )


def dropout_alone(plan: Plan) -> Iterator[Advice]:
    """Dropout needs data to be strong."""
    recipe, rows = plan.recipe, plan.sizes.train
    other = recipe.regularizer or recipe.augmentation or recipe.objective.label_smoothing
    if recipe.dropout and not other and isinstance(recipe.early_stopping, Off) and rows < FEW_ROWS:
        yield Advice(
            code="dropout_alone",
            severity="info",
            pointer="/early_stopping",
            message=f"dropout is all that regularises {rows:,} rows; below {FEW_ROWS:,} it was found weak. Early "
            "stopping, decay or augmentation beside it help more.",
            source="Goodfellow et al. 2016, Deep Learning, 7.12",
            patch=replace("/early_stopping", Patience()),
        )


def worst(found: Iterator[Shift]) -> Iterator[Shift]:
    """For each dropout of the recipe, its layer with the narrowest weights behind it."""
    by_index: dict[int, list[Shift]] = {}
    for shift in found:
        by_index.setdefault(shift.dropout.index, []).append(shift)
    for group in by_index.values():
        yield min(group, key=lambda shift: shift.fan_in)


def behind_all_norms(plan: Plan, shift: Shift) -> tuple[PatchStep, ...]:
    """Moves a dropout to the classifier, or takes it away where one of its kind stands there already."""
    spec, index = shift.dropout.spec, shift.dropout.index
    # Behind all norms there are no maps.
    kind = "dropout" if isinstance(spec, SpatialDropout) else spec.type
    if any(item.type == kind and item.placement == "classifier" for item in plan.recipe.dropout):
        return remove(f"/dropout/{index}")
    if isinstance(spec, SpatialDropout):
        return replace(f"/dropout/{index}", Dropout(rate=spec.rate, placement="classifier"))
    return replace(f"/dropout/{index}/placement", "classifier")


def named(spec: AnyDropout) -> str:
    """A dropout with its strength."""
    return f"{spec.type} at {getattr(spec, str(spec.main)):g}"
