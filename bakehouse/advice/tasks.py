"""Advice on several targets."""

import math
from collections.abc import Iterator

from bakehouse.advice.advice import Advice, PatchStep
from bakehouse.plan.heads import Head
from bakehouse.plan.plan import Plan

WIDEST = 100.0
NEAR = 9.0
"""Whoever is as near to the target of the data set is left alone."""


def task_weights_far_apart(plan: Plan) -> Iterator[Advice]:
    """The shared layers hardly learn from a target whose share of the loss is a hundredth of another's."""
    main, *further = plan.heads
    shares = {head: head.weight * usual_loss(head) for head in (main, *further)}
    if max(shares.values()) <= WIDEST * min(shares.values()):
        return
    largest, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    farthest = max(further, key=lambda head: abs(math.log(shares[head] / shares[main])))
    yield Advice(
        code="task_weights_far_apart",
        severity="warning",
        pointer=f"/objective/tasks/{further.index(farthest)}/weight",
        message=f"before anything is learnt, {largest.label} makes {shares[largest]:.3g} of the loss and {least.label} "
        f"{shares[least]:.3g}, {shares[largest] / shares[least]:,.0f} times less: the shared layers hardly learn it.",
        source="Caruana 1997, Multitask Learning; Kendall et al. 2018, arXiv 1705.07115, section 3",
        patch=tuple(
            PatchStep(op="replace", path=f"/objective/tasks/{place}/weight", value=evened_out(head, shares[main]))
            for place, head in enumerate(further)
            if not shares[main] / NEAR <= shares[head] <= shares[main] * NEAR
        ),
    )


def evened_out(head: Head, share: float) -> float:
    """A weight of three digits that gives a target as much of the loss."""
    return float(f"{share / usual_loss(head):.3g}")


def usual_loss(head: Head) -> float:
    """Of a model that knows nothing: log k of k classes, the variance of standardised numbers."""
    return 1.0 if head.classes is None else math.log(len(head.classes))
