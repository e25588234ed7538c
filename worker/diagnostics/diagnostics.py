"""Computes the diagnostics of a recipe. Each one is a generator that yields after each batch and returns its values."""

from collections.abc import Callable, Generator, Mapping
from functools import cache, partial
from itertools import chain
from typing import assert_never

import torch
from torch import Tensor, nn

from bakehouse.advice.variance_shift import shifts
from bakehouse.plan.layers import Affine, Recurrent, walk
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
from worker.diagnostics.layers import can_die, is_saturating, saturation, sparsity, variance_shift, weights_of
from worker.diagnostics.probe import Probe, Subject, Values, seed_masks
from worker.evaluation.evaluate import Measure
from worker.evaluation.standalone.class_metrics import predicted_classes
from worker.model.modules import to_data_units

Diagnostic = Callable[[Subject], Generator[None, None, Values]]

MAX_LISTED = 20
"""Limit on the number of rows that a diagnostic lists."""


class Diagnostics:
    """The diagnostics of a recipe."""

    def __init__(self, plan: Plan, data: Data, batches: Batches, measure: Measure) -> None:
        self.plan = plan
        self.measure = measure
        self.drift = Drift(plan)
        # Diagnostics with the same number of rows share a probe.
        self.make_probe = cache(partial(Probe, plan, data, batches))
        self.by_name: dict[str, Diagnostic] = {spec.type: self.build(spec) for spec in plan.recipe.diagnostics}

    def for_verdict(self) -> dict[str, Diagnostic]:
        """Returns the diagnostics that the verdict on this plan needs at the end and the recipe does not ask for. Each
        costs a forward pass on 512 rows."""
        layers = [layer for _, layer in walk(self.plan.root)]
        is_shifted = self.plan.recipe.evaluation.statistics == "moving" and any(shifts(self.plan))
        specs: list[AnyDiagnostic] = [VarianceShift()] if is_shifted else []
        specs += [Saturation()] if any(is_saturating(layer) for layer in layers) else []
        specs += [Sparsity()] if any(can_die(layer) for layer in layers) else []
        return {spec.type: self.build(spec) for spec in specs if spec.type not in self.by_name}

    def of_first_epoch(self) -> dict[str, Diagnostic]:
        """Returns what is measured after the first epoch, for the verdict: the gradients of one batch. Later, a network
        in which they vanish may have found a way out, or lost what made them vanish."""
        layers = [layer for _, layer in walk(self.plan.root)]
        # With one epoch there is no later; the measurement would take as long as ten steps of a small network.
        is_only = self.plan.recipe.epochs == 1
        if is_only or sum(isinstance(layer, Affine | Recurrent) for layer in layers) < 2:
            return {}
        return {"gradient_norms": self.build(GradientNorms(rows=max(2, self.plan.recipe.batch_size)))}

    def build(self, spec: AnyDiagnostic) -> Diagnostic:
        """Returns a diagnostic with its probe."""
        probe = self.make_probe(spec.rows)
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


def run_all(diagnostics: Mapping[str, Diagnostic], subject: Subject) -> Generator[None, None, dict[str, Values]]:
    """Computes diagnostics in their order; returns their values by name."""
    values: dict[str, Values] = {}
    for name, diagnostic in diagnostics.items():
        values[name] = yield from diagnostic(subject)
    return values


def train_eval_gap(measure: Measure, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Measures the same augmented rows in training mode and in evaluation mode."""
    trained, evaluated = yield from predict_in_both_modes(probe, subject)
    targets = probe.targets()
    # The predictions exist already, so the identity takes the place of the model.
    in_training = yield from measure(nn.Identity(), Split(trained, targets), "train_mode")
    in_evaluation = yield from measure(nn.Identity(), Split(evaluated, targets), "eval_mode")
    return {**in_training, **in_evaluation, "rows": len(targets)}


def inconsistent_samples(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Finds rows that the model predicts correctly in one mode and wrongly in the other."""
    trained, evaluated = yield from predict_in_both_modes(probe, subject)
    columns = plan.data.main.columns
    targets = probe.targets()
    # The main target is the first column.
    classes = targets if targets.ndim == 1 else targets[:, 0]
    in_training = predicted_classes(trained[:, columns]) == classes
    in_evaluation = predicted_classes(evaluated[:, columns]) == classes
    return {
        "rows": len(targets),
        **list_rows("only_in_training", in_training & ~in_evaluation, probe.rows),
        **list_rows("only_in_evaluation", ~in_training & in_evaluation, probe.rows),
    }


def list_rows(name: str, chosen: Tensor, rows: Tensor) -> Values:
    """Counts the chosen rows, computes their share, and lists the first of them."""
    first = rows[chosen].sort().values[:MAX_LISTED].tolist()
    return {name: int(chosen.sum()), f"{name}_share": float(chosen.double().mean()), f"{name}_rows": first}


def gradient_norms(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Computes the norm of the mean gradient of the objective with respect to each layer's weights."""
    model = subject.in_training()
    criterion = subject.build_criterion(model)
    predict = subject.predictor(model)
    # Frozen layers have no gradient.
    weights = {name: tensors for name, tensors in weights_of(plan, model).items() if tensors[0].requires_grad}
    means = {
        name: [torch.zeros_like(tensor, dtype=torch.float64) for tensor in tensors] for name, tensors in weights.items()
    }
    all_weights = list(chain.from_iterable(weights.values()))
    all_means = list(chain.from_iterable(means.values()))
    for batch in probe.training_batches(subject.epoch, mixed=True):
        seed_masks(batch)
        loss = criterion(predict, batch.inputs, batch.targets, subject.step)[1]
        share = len(batch.inputs) / len(probe.rows)
        for mean, gradient in zip(all_means, torch.autograd.grad(loss, all_weights), strict=True):
            # The sizes of batches may differ by a row, so each batch counts by its share of the rows.
            mean += gradient.double() * share
        yield
    norms = torch.stack([torch.cat([tensor.flatten() for tensor in tensors]).norm() for tensors in means.values()])
    return {"layers": list(weights), "norms": norms.tolist(), "first_to_last": float(norms[0] / norms[-1])}


def clean_gap(measure: Measure, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Compares the objective of a training step with the clean loss on the same rows."""
    model = subject.in_training()
    total = 0.0
    criterion = subject.build_criterion(model)
    predict = subject.predictor(model)
    for batch in probe.training_batches(subject.epoch, mixed=True):
        seed_masks(batch)
        # `torch.no_grad` is not possible here, because adversarial training needs gradients.
        loss = criterion(predict, batch.inputs, batch.targets, subject.step)[1].detach()
        total += float(loss) * len(batch.inputs)
        yield
    objective = total / len(probe.rows) * probe.data.loss_scale
    clean = yield from measure(subject.evaluated, probe.split(), "train_clean")
    return {"train_objective": objective, **clean, "gap": objective - clean["train_clean_loss"]}


def predict_in_both_modes(probe: Probe, subject: Subject) -> Generator[None, None, tuple[Tensor, Tensor]]:
    """Predicts the augmented rows in training mode and in evaluation mode, in the data's units."""
    model = subject.in_training()
    predict = subject.predictor(model)
    trained = []
    evaluated = []
    for batch in probe.training_batches(subject.epoch, mixed=False):
        seed_masks(batch)
        with torch.no_grad():
            trained.append(to_data_units(model, predict(batch.inputs)))
            # The first layer, which normalises, is skipped, because these inputs are normalised already.
            evaluated.append(subject.evaluated[1:](batch.inputs))
        yield
    return torch.cat(trained), torch.cat(evaluated)
