"""Learning rates by step."""

import math
from typing import assert_never

from bakehouse.plan.plan import Plan
from bakehouse.recipe.schedule import Constant, Cosine, Step
from worker.types import Schedule


def schedule(plan: Plan) -> Schedule:
    """The learning rate of each step, from 0: a linear rise, then the schedule."""
    spec, lr = plan.recipe.schedule, plan.recipe.optimizer.lr
    warmup = round(spec.warmup_epochs * plan.steps_per_epoch)

    def rate(step: int) -> float:
        if step < warmup:
            return lr * (step + 1) / warmup
        match spec:
            case Constant():
                return lr
            case Step():
                return lr * spec.gamma ** (step // plan.steps_per_epoch // spec.step_size)
            case Cosine():
                return cosine(lr, spec.eta_min, (step - warmup) / max(plan.steps - warmup, 1))
            case _:
                assert_never(spec)

    return rate


def cosine(lr: float, eta_min: float, done: float) -> float:
    """Half a cosine from lr at done = 0 to eta_min at done = 1. arXiv 1608.03983, eq. 5."""
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * done)) / 2
