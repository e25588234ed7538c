"""Learning rates by step."""

import math
from bisect import bisect
from typing import Any, assert_never

from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.schedule import Constant, Cosine, MultiStep, OneCycle, Plateau, Step
from worker.types import Schedule


class Drops:
    """How often the rate has dropped, for a schedule that listens to the monitor."""

    def __init__(self, spec: Plateau, sign: float) -> None:
        self.spec, self.sign = spec, sign
        self.count = 0
        self.least = math.inf
        self.epochs_since_least = 0

    def observe(self, value: float) -> None:
        """Takes an epoch's monitor. Non-finite is no improvement."""
        error = self.sign * value
        if math.isfinite(error) and error < self.least - self.spec.min_delta:
            self.least, self.epochs_since_least = error, 0
        else:
            self.epochs_since_least += 1
        if self.epochs_since_least == self.spec.patience:
            self.count, self.epochs_since_least = self.count + 1, 0

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"count": self.count, "least": self.least, "epochs_since_least": self.epochs_since_least}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.count, self.least, self.epochs_since_least = state["count"], state["least"], state["epochs_since_least"]


def drops(recipe: Recipe) -> Drops | None:
    """None for a schedule that does not listen."""
    sign = -1.0 if is_higher_better(recipe.evaluation.monitor) else 1.0
    return Drops(recipe.schedule, sign) if isinstance(recipe.schedule, Plateau) else None


def schedule(plan: Plan, drops: Drops | None = None) -> Schedule:
    """The learning rate of each step, from 0: a linear rise, then the schedule."""
    spec, lr = plan.recipe.schedule, plan.recipe.optimizer.lr
    warmup = 0 if isinstance(spec, OneCycle) else round(spec.warmup_epochs * plan.steps_per_epoch)

    def rate(step: int) -> float:
        if step < warmup:
            return lr * (step + 1) / warmup
        epoch = step // plan.steps_per_epoch
        match spec:
            case Constant():
                return lr
            case Step():
                return lr * spec.gamma ** (epoch // spec.step_size)
            case MultiStep(milestones=milestones):
                assert milestones is not None, "a canonical recipe has milestones"
                return lr * spec.gamma ** bisect(milestones, epoch)
            case Cosine():
                return cosine(lr, spec.eta_min, (step - warmup) / max(plan.steps - warmup, 1))
            case OneCycle():
                return one_cycle(spec, lr, step, plan.steps)
            case Plateau():
                assert drops is not None, "this schedule listens"
                return max(lr * spec.factor**drops.count, min(spec.min_lr, lr))
            case _:
                assert_never(spec)

    return rate


def cosine(lr: float, eta_min: float, done: float) -> float:
    """Half a cosine from lr at done = 0 to eta_min at done = 1. arXiv 1608.03983, eq. 5."""
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * done)) / 2


def linear(first: float, last: float, done: float) -> float:
    """A straight line from first at done = 0 to last at done = 1."""
    return first + (last - first) * done


def one_cycle(spec: OneCycle, lr: float, step: int, steps: int) -> float:
    """Up to lr at step pct_start * steps - 1, which may lie between two steps, and down until the last."""
    anneal = cosine if spec.anneal_strategy == "cos" else linear
    first, peak_step = lr / spec.div_factor, spec.pct_start * steps - 1
    if step < peak_step:
        return anneal(first, lr, step / peak_step)
    return anneal(lr, first / spec.final_div_factor, (step - peak_step) / (steps - 1 - peak_step))
