"""Several targets at once: the weighted sum of their losses, and their metrics, over the rows that have a label."""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.heads import Head
from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Loss
from worker.dataset import Data, Split
from worker.evaluation.measuring import BATCH_ROWS, Metrics, SplitName, evaluate
from worker.objective.losses import clean_objective, objective, over_all_classes
from worker.types import Model, Objective

RowLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs (N, outputs of a target), targets (N,)) -> the loss of each row."""

Sums = list[float]
"""Of one target: rows with a label, loss, and hits or absolute and squared errors."""


@dataclass(frozen=True)
class Part:
    """A target's share of outputs and targets."""

    head: Head
    place: int
    """Its column of the targets."""
    loss: RowLoss

    def outputs(self, outputs: Tensor) -> Tensor:
        """Its own columns."""
        return outputs[:, self.head.first : self.head.first + self.head.outputs]


def parts(plan: Plan, *, is_clean: bool) -> tuple[Part, ...]:
    """As training scores them, or `is_clean`: without smoothing, of what the whole model answers."""
    smoothing = plan.recipe.objective.label_smoothing
    found = []
    for place, head in enumerate(plan.heads):
        epsilon = 0.0
        if smoothing is not None and head.classes is not None and not is_clean:
            epsilon = over_all_classes(smoothing, classes=len(head.classes))
        found.append(Part(head, place, row_loss(head.loss, epsilon=epsilon, is_clean=is_clean)))
    return tuple(found)


def row_loss(loss: Loss, *, epsilon: float, is_clean: bool) -> RowLoss:
    """As in `losses`, row by row."""
    match loss:
        case "cross_entropy":
            return partial(cross_entropy, epsilon=epsilon)
        case "binary_cross_entropy":
            return partial(binary_cross_entropy, epsilon=epsilon)
        case "squared_error":
            return squared_error
        case "poisson":
            return poisson_of_means if is_clean else poisson
        case _:
            assert_never(loss)


def cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float) -> Tensor:
    """-log softmax(y) of the class."""
    return functional.cross_entropy(outputs, targets.long(), reduction="none", label_smoothing=epsilon)


def binary_cross_entropy(outputs: Tensor, targets: Tensor, *, epsilon: float) -> Tensor:
    """log(1 + exp(y)) - t y, with t = (1 - epsilon) class + epsilon/2."""
    soft = targets * (1 - epsilon) + epsilon / 2
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), soft, reduction="none")


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """(y - t)^2."""
    return (outputs.squeeze(1) - targets).square()


def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    """exp(y) - t y + t log t - t."""
    logs = outputs.squeeze(1)
    return logs.exp() - targets * logs + torch.xlogy(targets, targets) - targets


def poisson_of_means(outputs: Tensor, targets: Tensor) -> Tensor:
    """The same of the means themselves."""
    means = outputs.squeeze(1)
    return means - torch.xlogy(targets, means) + torch.xlogy(targets, targets) - targets


@torch.no_grad()
def fill_units(plan: Plan, model: nn.Module, data: Data) -> None:
    """What was fitted on the labels of the training split becomes buffers of the model, or where it begins."""
    assert data.units is not None, "several targets have units"
    for place, head in enumerate(plan.heads):
        if head.loss == "squared_error":
            unit = model.get_submodule(f"units.{head.name}")
            unit.get_buffer("mean").copy_(data.units.mean[place])
            unit.get_buffer("std").copy_(data.units.std[place])
        if head.loss == "poisson":
            # From exp(0) = 1 to the mean of large counts would be a long way.
            mean = float(data.train.targets[:, place].double().nanmean()) or 1.0
            model.get_submodule(f"heads.{head.name}").get_parameter("bias").fill_(math.log(mean))


def training_objective(plan: Plan) -> Objective:
    """What a step lowers: of one target its loss, of several their weighted sum."""
    if not plan.data.tasks:
        return objective(plan.recipe.objective)
    return partial(weighted_sum, parts=parts(plan, is_clean=False))


def weighted_sum(outputs: Tensor, targets: Tensor, *, parts: Sequence[Part]) -> Tensor:
    """sum_q w_q L_q: L_q is the mean over the rows that have a label of q, 0 where none has. Caruana 1997."""
    is_known, known = labelled(targets)
    rows = torch.stack([part.loss(part.outputs(outputs), known[:, part.place]) for part in parts], 1)
    means = torch.where(is_known, rows, 0.0).sum(0) / is_known.sum(0).clamp(min=1)
    weighted = [part.head.weight * mean for part, mean in zip(parts, means, strict=True)]
    return torch.stack(weighted).sum()


def labelled(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Where there is a label, and the targets with 0 where there is none."""
    is_known = ~targets.isnan()
    return is_known, torch.where(is_known, targets, 0.0)


def measured_objective(plan: Plan, model: nn.Module) -> Objective:
    """What `measure` calls the loss, of what a whole model answers."""
    if not plan.data.tasks:
        return clean_objective(plan.recipe.objective)
    scaled = []
    for part in parts(plan, is_clean=True):
        is_standardized = part.head.loss == "squared_error"
        std = float(model.get_submodule(f"units.{part.head.name}").get_buffer("std")) if is_standardized else 1.0
        scaled.append(replace(part, head=replace(part.head, weight=part.head.weight / std**2)))
    return partial(weighted_sum, parts=scaled)


def measure(plan: Plan, data: Data, model: nn.Module, split: Split, name: SplitName) -> Generator[None, None, Metrics]:
    """A whole model on a split, in the data's units; yields after each batch."""
    if plan.data.tasks:
        return measure_tasks(plan, data, model, split, name)
    loss = clean_objective(plan.recipe.objective)
    return evaluate(model, split.inputs, split.targets, task=plan.data.task, objective=loss, split=name)


def measure_tasks(
    plan: Plan, data: Data, model: Model, split: Split, name: SplitName
) -> Generator[None, None, Metrics]:
    """Means over the rows that have a label. The sums are in float64 and read once."""
    clean = parts(plan, is_clean=True)
    totals = torch.zeros((len(clean), 4), dtype=torch.float64, device=split.inputs.device)
    batches = zip(torch.split(split.inputs, BATCH_ROWS), torch.split(split.targets, BATCH_ROWS), strict=True)
    for rows, targets in batches:
        with torch.inference_mode():
            totals += sums(model(rows).float(), targets, clean)
        yield
    return metrics(plan, data, split.targets, totals.tolist(), name)


def sums(outputs: Tensor, targets: Tensor, parts: Sequence[Part]) -> Tensor:
    """(targets, 4): rows with a label, and over them the loss, and hits or absolute and squared errors."""
    is_known, known = labelled(targets)
    found = []
    for part in parts:
        own, target = part.outputs(outputs), known[:, part.place]
        rows = torch.stack((torch.ones_like(target), part.loss(own, target), *errors(part.head, own, target)))
        found.append(torch.where(is_known[:, part.place], rows, 0.0).double().sum(1))
    return torch.stack(found)


def errors(head: Head, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row: whether the class is told, and nothing; or the absolute and the squared error."""
    if head.classes is None:
        difference = outputs.squeeze(1) - targets
        return difference.abs(), difference.square()
    told = outputs.argmax(1) if head.outputs > 1 else outputs.squeeze(1) > 0
    return (told == targets).to(outputs.dtype), torch.zeros_like(targets)


def metrics(plan: Plan, data: Data, targets: Tensor, totals: list[Sums], split: SplitName) -> Metrics:
    """The weighted sum as training weighs it, of standardised numbers; then each target by itself, in its units."""
    found: Metrics = {f"{split}_loss": 0.0}
    for place, (head, (rows, *rest)) in enumerate(zip(plan.heads, totals, strict=True)):
        loss, first, second = (value / max(rows, 1.0) for value in rest)
        found[f"{split}_loss"] += head.weight * loss / loss_scale(head, data, place)
        found[f"{split}_{head.label}_loss"] = loss
        values = [first] if head.classes is not None else [first, r2(second, targets[:, place])]
        found |= dict(zip(head.metrics(split), values, strict=True))
    return found


def loss_scale(head: Head, data: Data, place: int) -> float:
    """What a loss in the data's units is divided by to be that of training: the variance, of squared errors."""
    assert data.units is not None, "several targets have units"
    return float(data.units.std[place]) ** 2 if head.loss == "squared_error" else 1.0


def r2(squared: float, targets: Tensor) -> float:
    """1 - the mean squared error over the variance of the labels; 0 where they are all the same."""
    known = targets[~targets.isnan()].double()
    spread = float(known.var(correction=0)) if len(known) else 0.0
    return 1 - squared / spread if spread else 0.0


class Tally:
    """Each target's losses and hits in an epoch's training steps."""

    def __init__(self, plan: Plan, data: Data) -> None:
        self.parts = parts(plan, is_clean=False)
        self.scales = [loss_scale(part.head, data, part.place) for part in self.parts]
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forgets the sums."""
        self.sums: list[Sums] = [[0.0] * 4 for _ in self.parts]

    def take(self, steps: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Outputs and targets of some steps. Added one by one and in Python: the sums must not depend on how many
        are read together."""
        for step in torch.stack([sums(outputs, targets, self.parts) for outputs, targets in steps]).tolist():
            self.sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(self.sums, step, strict=True)]

    def metrics(self) -> Metrics:
        """Of the epoch, in training mode: means over the rows that have a label."""
        found: Metrics = {}
        for part, (rows, loss, hits, _), scale in zip(self.parts, self.sums, self.scales, strict=True):
            found[f"train_{part.head.label}_loss"] = scale * loss / max(rows, 1.0)
            if part.head.classes is not None:
                [name] = part.head.metrics("train")
                found[name] = hits / max(rows, 1.0)
        return found

    def state(self) -> dict[str, Any]:
        """The sums."""
        return {"sums": self.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up the sums."""
        self.sums = state["sums"]
