"""Computes the learning rate of each step."""

import math
from bisect import bisect
from typing import assert_never

from bakehouse.plan.defaults import milestones
from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.schedule import Constant, Cosine, MultiStep, OneCycle, Plateau, Step
from worker.types import State


class Schedule:
    """Returns the learning rate of each step, counted from 0: a linear warm-up, then the recipe's schedule.

    `plateau` also observes the monitor and counts how often the rate has dropped.
    """

    def __init__(self, plan: Plan) -> None:
        self.spec = plan.recipe.schedule
        self.lr = plan.recipe.optimizer.lr
        self.epochs = plan.recipe.epochs
        self.steps = plan.steps
        self.steps_per_epoch = plan.steps_per_epoch
        warmup_epochs = 0.0 if isinstance(self.spec, OneCycle) else self.spec.warmup_epochs
        self.warmup_steps = round(warmup_epochs * plan.steps_per_epoch)
        self.sign = -1.0 if is_higher_better(plan.recipe.evaluation.monitor) else 1.0
        self.drops = 0
        self.least = math.inf
        self.epochs_since_least = 0

    def __call__(self, step: int) -> float:
        """Returns the learning rate of a step."""
        if step < self.warmup_steps:
            # The first step has number 0, and its rate must be above 0.
            return self.lr * (step + 1) / self.warmup_steps
        epoch = step // self.steps_per_epoch
        spec = self.spec
        lr = self.lr
        match spec:
            case Constant():
                return lr
            case Step():
                return lr * spec.gamma ** (epoch // spec.step_size)
            case MultiStep():
                return lr * spec.gamma ** bisect(milestones(spec, self.epochs), epoch)
            case Cosine():
                return cosine(lr, spec.eta_min, (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1))
            case OneCycle():
                return one_cycle(spec, lr, step, self.steps)
            case Plateau():
                # A `min_lr` above the recipe's rate must not raise it.
                return max(lr * spec.factor**self.drops, min(spec.min_lr, lr))
            case _:
                assert_never(spec)

    def observe(self, monitor: float) -> None:
        """Receives the value of the monitored metric after an epoch; only the schedule `plateau` uses it."""
        if isinstance(self.spec, Plateau):
            self._count_drops(self.spec, self.sign * monitor)

    def _count_drops(self, spec: Plateau, error: float) -> None:
        # An error that is not finite does not count as an improvement.
        if math.isfinite(error) and error < self.least - spec.min_delta:
            self.least = error
            self.epochs_since_least = 0
        else:
            self.epochs_since_least += 1
        if self.epochs_since_least == spec.patience:
            self.drops += 1
            self.epochs_since_least = 0

    def state_dict(self) -> State:
        """Returns the drops so far, which do not follow from the step's number."""
        least = self.least if math.isfinite(self.least) else None
        return {"drops": self.drops, "least": least, "epochs_since_least": self.epochs_since_least}

    def load_state_dict(self, state: State) -> None:
        """Restores a state."""
        self.drops = state["drops"]
        self.least = math.inf if state["least"] is None else state["least"]
        self.epochs_since_least = state["epochs_since_least"]


def cosine(lr: float, eta_min: float, done: float) -> float:
    """Returns a point of half a cosine from lr at done = 0 to eta_min at done = 1. arXiv 1608.03983, eq. 5."""
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * done)) / 2


def linear(first: float, last: float, done: float) -> float:
    """Returns a point of the straight line from first at done = 0 to last at done = 1."""
    return first + (last - first) * done


def one_cycle(spec: OneCycle, lr: float, step: int, steps: int) -> float:
    """Returns a rate that rises to lr at step pct_start * steps - 1, which may lie between two steps, and then
    falls."""
    # Both phases end at the same steps as in torch's OneCycleLR.
    anneal = cosine if spec.anneal_strategy == "cos" else linear
    first = lr / spec.div_factor
    peak_step = spec.pct_start * steps - 1
    if step < peak_step:
        return anneal(first, lr, step / peak_step)
    return anneal(lr, first / spec.final_div_factor, (step - peak_step) / (steps - 1 - peak_step))
