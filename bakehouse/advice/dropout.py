"""Advice on dropout."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, PatchStep
from bakehouse.advice.patch import remove, replace
from bakehouse.advice.variance_shift import Shift, shifts
from bakehouse.plan.plan import Plan
from bakehouse.recipe.dropout import (
    AnyDropout,
    DropConnect,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    Uout,
)

WIDE = 256
"""Inputs of a unit from which a moderate dropout before batch norm is harmless (table 1 of the paper)."""
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
