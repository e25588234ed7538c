"""Diagnostics in torch. Each is a generator that yields after each batch and returns what it found."""

from collections.abc import Callable, Generator
from functools import cache, partial
from itertools import chain
from typing import assert_never

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.recipe.diagnostics import (
    ActivationDrift,
    AnyDiagnostic,
    CleanGap,
    GradientNorms,
    InconsistentSamples,
    Saturation,
    Sparsity,
    TrainEvalGap,
    VarianceShift,
)
from worker.data.batches import Batches
from worker.data.dataset import Data, Split
from worker.diagnostics.drift import Drift
from worker.diagnostics.layers import saturation, sparsity, variance_shift, weights_of
from worker.diagnostics.probe import Probe, Subject, Values, seed_masks
from worker.evaluation.evaluate import Measure, predicted_classes
from worker.model.modules import to_data_units

Diagnostic = Callable[[Subject], Generator[None, None, Values]]

MAX_LISTED = 20


class Diagnostics:
    """Those of a recipe."""

    def __init__(self, plan: Plan, data: Data, batches: Batches, measure: Measure) -> None:
        self.plan, self.measure, self.drift = plan, measure, Drift(plan)
        self.probe = cache(partial(Probe, plan, data, batches))
        self.named: dict[str, Diagnostic] = {spec.type: self.diagnostic(spec) for spec in plan.recipe.diagnostics}

    def diagnostic(self, spec: AnyDiagnostic) -> Diagnostic:
        """One, on its probe."""
        probe = self.probe(spec.rows)
        match spec:
            case VarianceShift():
                return partial(variance_shift, self.plan, probe)
            case TrainEvalGap():
                return partial(train_eval_gap, self.measure, probe)
            case InconsistentSamples():
                return partial(inconsistent_samples, self.plan, probe)
            case Saturation():
                return partial(saturation, self.plan, probe)
            case GradientNorms():
                return partial(gradient_norms, self.plan, probe)
            case ActivationDrift():
                return partial(self.drift.measure, probe)
            case Sparsity():
                return partial(sparsity, self.plan, probe)
            case CleanGap():
                return partial(clean_gap, self.measure, probe)
            case _:
                assert_never(spec)

    def run(self, subject: Subject) -> Generator[None, None, dict[str, Values]]:
        """What all of them found, by name."""
        found: dict[str, Values] = {}
        for name, diagnostic in self.named.items():
            found[name] = yield from diagnostic(subject)
        return found


def train_eval_gap(measure: Measure, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Losses and hits of the same augmented rows in training and in evaluation mode."""
    trained, evaluated = yield from both_modes(probe, subject)
    targets, answered = probe.targets(), nn.Identity()
    in_training = yield from measure(answered, Split(trained, targets), "train_mode")
    in_evaluation = yield from measure(answered, Split(evaluated, targets), "eval_mode")
    return {**in_training, **in_evaluation, "rows": len(targets)}


def inconsistent_samples(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Rows that one mode tells right and the other wrong."""
    trained, evaluated = yield from both_modes(probe, subject)
    main, targets = plan.data.main.columns, probe.targets()
    wanted = targets if targets.ndim == 1 else targets[:, 0]
    right, still_right = (predicted_classes(outputs[:, main]) == wanted for outputs in (trained, evaluated))
    return {
        "rows": len(targets),
        **listed("only_in_training", right & ~still_right, probe.rows),
        **listed("only_in_evaluation", ~right & still_right, probe.rows),
    }


def listed(name: str, chosen: Tensor, rows: Tensor) -> Values:
    """How many rows, their share, and the first of them."""
    places = rows[chosen].sort().values[:MAX_LISTED].tolist()
    return {name: int(chosen.sum()), f"{name}_share": float(chosen.double().mean()), f"{name}_rows": places}


def gradient_norms(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Lengths of the objective's mean gradient, layer by layer."""
    model = subject.in_training()
    criterion, predict = subject.criterion(model), subject.predicting(model)
    weights = {name: found for name, found in weights_of(plan, model).items() if found[0].requires_grad}
    sums = {name: [torch.zeros_like(item, dtype=torch.float64) for item in found] for name, found in weights.items()}
    every, totals = (list(chain.from_iterable(named.values())) for named in (weights, sums))
    for drawn in probe.drawn(subject.epoch, mixed=True):
        seed_masks(drawn)
        loss = criterion(predict, drawn.inputs, drawn.targets, subject.step)[1]
        share = len(drawn.inputs) / len(probe.rows)
        for total, gradient in zip(totals, torch.autograd.grad(loss, every), strict=True):
            total += gradient.double() * share
        yield
    lengths = torch.stack([torch.cat([part.flatten() for part in parts]).norm() for parts in sums.values()])
    first_to_last = float(lengths[0] / lengths[-1])
    return {"layers": list(weights), "norms": lengths.tolist(), "first_to_last": first_to_last}


def clean_gap(measure: Measure, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """The objective of a training step and the clean one, on the same rows."""
    model, total = subject.in_training(), 0.0
    criterion, predict = subject.criterion(model), subject.predicting(model)
    for drawn in probe.drawn(subject.epoch, mixed=True):
        seed_masks(drawn)
        # Not without gradients: an adversary needs them.
        loss = criterion(predict, drawn.inputs, drawn.targets, subject.step)[1].detach()
        total += float(loss) * len(drawn.inputs)
        yield
    objective = total / len(probe.rows) * probe.data.loss_scale
    split = probe.split()
    clean = yield from measure(subject.evaluated, split, "train_clean")
    return {"train_objective": objective, **clean, "gap": objective - clean["train_clean_loss"]}


def both_modes(probe: Probe, subject: Subject) -> Generator[None, None, tuple[Tensor, Tensor]]:
    """What the model answers to the augmented rows in training and in evaluation mode, in the data's units."""
    model = subject.in_training()
    predict = subject.predicting(model)
    trained, evaluated = [], []
    for drawn in probe.drawn(subject.epoch, mixed=False):
        seed_masks(drawn)
        with torch.no_grad():
            trained.append(to_data_units(model, predict(drawn.inputs)))
            evaluated.append(subject.evaluated[1:](drawn.inputs))
        yield
    return torch.cat(trained), torch.cat(evaluated)
