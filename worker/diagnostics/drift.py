"""Measures how far the inputs of each layer move from one epoch to the next."""

from collections.abc import Generator
from math import sqrt

import torch

from bakehouse.plan.layers import Affine, Recurrent, walk
from bakehouse.plan.plan import Plan
from worker.diagnostics.layers import observe_inputs
from worker.diagnostics.probe import Probe, Subject, Values
from worker.model.moments import Moments
from worker.types import State

LayerMoments = list[tuple[float, float]]
"""The mean and variance of each layer's inputs."""


class Drift:
    """Compares the moments of each layer's inputs with those of the previous epoch, which it remembers."""

    def __init__(self, plan: Plan) -> None:
        self.names = [name for name, layer in walk(plan.root) if isinstance(layer, Affine | Recurrent)]
        self.epochs: dict[int, LayerMoments] = {}
        """The moments of the last two epochs; a resumed run that measures an epoch again needs the one before it."""

    def measure(self, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
        """Computes the mean and variance of each layer's inputs, and their change since the previous epoch."""
        moments = {name: Moments() for name in self.names}
        with observe_inputs(subject.evaluated, {name: item.add for name, item in moments.items()}):
            for inputs in probe.clean_inputs():
                with torch.no_grad():
                    subject.evaluated(inputs)
                yield
        now = [item.pooled() for item in moments.values()]
        values = {
            "layers": self.names,
            "mean": [mean for mean, _ in now],
            "variance": [variance for _, variance in now],
        }
        before = self.epochs.get(subject.epoch - 1)
        if before is None:
            self.epochs = {subject.epoch: now}
            return values
        self.epochs = {subject.epoch: now, subject.epoch - 1: before}
        return {**values, **drift_between(before, now)}

    def state_dict(self) -> State:
        """Returns the moments of the remembered epochs."""
        return {"epochs": [[epoch, pairs] for epoch, pairs in self.epochs.items()]}

    def load_state_dict(self, state: State) -> None:
        """Restores the moments of the remembered epochs."""
        # JSON has turned the pairs into lists.
        self.epochs = {epoch: [tuple(pair) for pair in pairs] for epoch, pairs in state["epochs"]}


def drift_between(before: LayerMoments, now: LayerMoments) -> dict[str, list[float]]:
    """Returns |mean - old mean| / old std and variance / old variance, which are infinite if the old variance is 0."""
    pairs = list(zip(before, now, strict=True))
    return {
        "mean_drift": [ratio(abs(mean - old_mean), sqrt(old)) for (old_mean, old), (mean, _) in pairs],
        "variance_ratio": [ratio(new, old) for (_, old), (_, new) in pairs],
    }


def ratio(part: float, whole: float) -> float:
    """Returns part / whole by IEEE 754: infinity or nan instead of a ZeroDivisionError."""
    return float(torch.tensor(part, dtype=torch.float64) / whole)
