"""How far the inputs of each layer move from one epoch to the next."""

from collections.abc import Generator
from math import sqrt
from typing import Any

import torch

from bakehouse.plan.layers import Affine, Recurrent, walk
from bakehouse.plan.plan import Plan
from worker.diagnostics.layers import inputs_of
from worker.diagnostics.probe import Probe, Subject, Values
from worker.model.moments import Moments

Pairs = list[tuple[float, float]]
"""Mean and variance of each layer's inputs."""


class Drift:
    """Remembers an epoch to compare the next one with."""

    def __init__(self, plan: Plan) -> None:
        self.names = [name for name, layer in walk(plan.root) if isinstance(layer, Affine | Recurrent)]
        self.epochs: dict[int, Pairs] = {}
        """The last two: whoever measures an epoch again still compares it with the one before."""

    def measure(self, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
        """Mean and variance now, and against those of the epoch before."""
        moments = {name: Moments() for name in self.names}
        with inputs_of(subject.evaluated, {name: item.add for name, item in moments.items()}):
            for inputs in probe.clean():
                with torch.no_grad():
                    subject.evaluated(inputs)
                yield
        now, before = [item.pooled() for item in moments.values()], self.epochs.get(subject.epoch - 1)
        self.epochs = {subject.epoch: now} | ({} if before is None else {subject.epoch - 1: before})
        numbers = {"mean": [mean for mean, _ in now], "variance": [variance for _, variance in now]}
        return {"layers": self.names, **numbers, **({} if before is None else moved(before, now))}

    def state_dict(self) -> dict[str, Any]:
        """The epochs with their numbers."""
        return {"epochs": [[epoch, pairs] for epoch, pairs in self.epochs.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them up."""
        self.epochs = {epoch: [tuple(pair) for pair in pairs] for epoch, pairs in state["epochs"]}


def moved(before: Pairs, now: Pairs) -> dict[str, list[float]]:
    """|mean - mean before| / std before, variance / variance before; infinite where nothing varied before."""
    drifts = [(abs(new[0] - old[0]), new[1], old[1]) for old, new in zip(before, now, strict=True)]
    return {
        "mean_drift": [ratio(distance, sqrt(old)) for distance, _, old in drifts],
        "variance_ratio": [ratio(new, old) for _, new, old in drifts],
    }


def ratio(part: float, whole: float) -> float:
    """part / whole as floating-point units have it."""
    return float(torch.tensor(part, dtype=torch.float64) / whole)
