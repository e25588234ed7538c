"""Advice on curricula."""

from collections.abc import Iterator
from math import ceil

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.curriculum import Curriculum, SelfPaced
from bakehouse.recipe.early_stopping import AnyEarlyStopping, Patience
from bakehouse.recipe.ingredient import Off, with_field
from bakehouse.recipe.norm import BATCH_NORMS, BatchRenorm

LATE = 0.9
"""Share of the run after which it is late to begin with all rows."""
EARLIER = {"curriculum": 0.5, "self_paced": 0.8}
KUMAR = "Kumar et al. 2010, NeurIPS"
BOTH_PAPERS = f"Bengio et al. 2009, ICML; {KUMAR}"


@rule("warning", about=(Curriculum, SelfPaced, *BATCH_NORMS), source="Ioffe 2017, arXiv 1702.03275, section 4.3")
def curriculum_with_batch_norm(plan: Plan) -> Iterator[Finding]:
    """The easiest rows may all be of a few classes, whose statistics the norm then learns."""
    spec = plan.recipe.curriculum
    norm = plan.recipe.norm
    # batch_renorm is left out on purpose: it normalises by moving averages, and the paper shows that it copes with
    # batches whose classes are not independent.
    is_misled = isinstance(norm, BATCH_NORMS) and not isinstance(norm, BatchRenorm)
    if isinstance(spec, Off) or spec.balanced or plan.data.main.classes is None or not is_misled or spec.start == 1:
        return
    message = f"the easiest {spec.start:.0%} of the rows may be of only a few of the {len(plan.data.main.classes)} "
    message += f"classes, so {norm.type} learns the mean and variance of these. With `balanced`, every class "
    message += "keeps its share; batch_renorm tolerates uneven batches."
    yield Finding("/curriculum/balanced", message, replace("/curriculum/balanced", True))


@rule("warning", about=(Curriculum, SelfPaced), source=BOTH_PAPERS)
def curriculum_ends_late(plan: Plan) -> Iterator[Finding]:
    """The run hardly trains on the hardest rows."""
    recipe = plan.recipe
    spec = plan.recipe.curriculum
    if isinstance(spec, Off) or spec.until <= LATE or spec.start == 1:
        return
    change: dict[str, float | int] = {"until": EARLIER[spec.type]}
    if isinstance(spec, SelfPaced):
        change["warmup_epochs"] = min(spec.warmup_epochs, ceil(EARLIER[spec.type] * recipe.epochs) - 1)
    message = f"{spec.type} reaches all rows after {spec.until:.0%} of the run; {(1 - spec.until) * plan.steps:,.0f} "
    message += f"of its {count_of(plan.steps, 'step')} are left for the hardest rows, which validation counts in full."
    yield Finding("/curriculum/until", message, replace("/curriculum", spec.model_copy(update=change)))


@rule("warning", about=(SelfPaced,), source=KUMAR)
def self_paced_without_warmup(plan: Plan) -> Iterator[Finding]:
    """The losses of an untrained model say nothing about difficulty."""
    spec = plan.recipe.curriculum
    if isinstance(spec, SelfPaced) and spec.warmup_epochs == 0 and spec.until * plan.recipe.epochs > 1:
        message = f"random weights choose the first {spec.start:.0%} of the rows, and the chosen rows become the easy "
        message += "ones. One epoch with all rows makes a better choice."
        pointer = "/curriculum/warmup_epochs"
        yield Finding(pointer, message, replace(pointer, 1))


@rule("info", about=(Curriculum, SelfPaced, *with_field(AnyEarlyStopping, "min_epochs")), source=BOTH_PAPERS)
def stops_within_curriculum(plan: Plan) -> Iterator[Finding]:
    """The run may end before it has used all rows."""
    spec = plan.recipe.curriculum
    stopping = plan.recipe.early_stopping
    if isinstance(spec, Off) or isinstance(stopping, Off):
        return
    complete = ceil(spec.until * plan.recipe.epochs)
    patience = stopping.patience + 1 if isinstance(stopping, Patience) else 1
    earliest = max(stopping.min_epochs, patience)
    if earliest < complete:
        message = f"early stopping may end the run from epoch {earliest} on, and {spec.type} takes all rows only from "
        message += f"epoch {complete} on."
        pointer = "/early_stopping/min_epochs"
        yield Finding(pointer, message, replace(pointer, complete))
