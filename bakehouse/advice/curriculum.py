"""Advice on learning easy rows first."""

from collections.abc import Iterator
from math import ceil

from bakehouse.advice.advice import Advice, replace
from bakehouse.plan.plan import Plan
from bakehouse.recipe.curriculum import Curriculum, SelfPaced
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, CrossIterationBatchNorm

LATE = 0.9
"""Share of the run."""
EARLIER = {"curriculum": 0.5, "self_paced": 0.8}
BENGIO = "Bengio et al. 2009, ICML"
KUMAR = "Kumar et al. 2010, NeurIPS"


def curriculum_with_batch_norm(plan: Plan) -> Iterator[Advice]:
    """The easiest rows may all be of one kind."""
    spec, norm = plan.recipe.curriculum, plan.recipe.norm
    if isinstance(spec, Off) or spec.balanced or plan.data.classes is None:
        return
    if isinstance(norm, BatchNorm | CrossIterationBatchNorm) and spec.start < 1:
        yield Advice(
            code="curriculum_with_batch_norm",
            severity="warning",
            pointer="/curriculum/balanced",
            message=f"the easiest {spec.start:.0%} of the rows may be those of a few of the {len(plan.data.classes)} "
            f"classes, and {norm.type} then learns their mean and variance, not those that it is evaluated on. "
            "Balanced rows keep the shares of all classes; batch_renorm stands uneven batches.",
            source="Ioffe 2017, arXiv 1702.03275, section 4.3",
            patch=replace("/curriculum/balanced", True),
        )


def curriculum_ends_late(plan: Plan) -> Iterator[Advice]:
    """The hardest rows are hardly learnt."""
    recipe, spec = plan.recipe, plan.recipe.curriculum
    if isinstance(spec, Off) or spec.until <= LATE or spec.start == 1:
        return
    change: dict[str, float | int] = {"until": EARLIER[spec.type]}
    if isinstance(spec, SelfPaced):
        change["warmup_epochs"] = min(spec.warmup_epochs, ceil(EARLIER[spec.type] * recipe.epochs) - 1)
    rest = (1 - spec.until) * plan.steps
    yield Advice(
        code="curriculum_ends_late",
        severity="warning",
        pointer="/curriculum/until",
        message=f"{spec.type} reaches all rows after {spec.until:.0%} of the run; {rest:,.0f} of its {plan.steps:,} "
        "steps are left for the hardest ones, which validation counts in full.",
        source=BENGIO if isinstance(spec, Curriculum) else KUMAR,
        patch=replace("/curriculum", spec.model_copy(update=change)),
    )


def self_paced_without_warmup(plan: Plan) -> Iterator[Advice]:
    """A model that has learnt nothing knows nothing of difficulty."""
    spec = plan.recipe.curriculum
    if isinstance(spec, SelfPaced) and spec.warmup_epochs == 0 and spec.until * plan.recipe.epochs > 1:
        yield Advice(
            code="self_paced_without_warmup",
            severity="warning",
            pointer="/curriculum/warmup_epochs",
            message=f"the {spec.start:.0%} of the rows that self_paced takes first are chosen by the losses of random "
            "weights, and what is chosen is what gets easier. One epoch with all rows tells more.",
            source=KUMAR,
            patch=replace("/curriculum/warmup_epochs", 1),
        )


def stops_within_curriculum(plan: Plan) -> Iterator[Advice]:
    """The run may be over before all rows have been seen."""
    spec, stopping = plan.recipe.curriculum, plan.recipe.early_stopping
    if isinstance(spec, Off) or isinstance(stopping, Off):
        return
    complete = ceil(spec.until * plan.recipe.epochs)
    patience = stopping.patience + 1 if isinstance(stopping, Patience) else 1
    earliest = max(stopping.min_epochs, patience)
    if earliest < complete:
        yield Advice(
            code="stops_within_curriculum",
            severity="info",
            pointer="/early_stopping/min_epochs",
            message=f"early stopping may end the run from epoch {earliest} on, and only from epoch {complete} on does "
            f"{spec.type} take all rows.",
            source=BENGIO if isinstance(spec, Curriculum) else KUMAR,
            patch=replace("/early_stopping/min_epochs", complete),
        )
