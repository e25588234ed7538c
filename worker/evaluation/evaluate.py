"""Evaluates models without augmentation and label smoothing, in the data's units."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from itertools import islice
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data, Split, Unit, column
from worker.evaluation.class_measures import ClassTotals
from worker.evaluation.standalone.class_metrics import predicted_classes
from worker.model.state_dict import strip_prefix, with_prefix
from worker.objective.losses import LossFunction, squared_error
from worker.objective.targets import TargetLosses, clean_losses, known_labels, row_losses
from worker.types import Model, State

Metrics = dict[str, float]
SplitName = Literal[
    "validation", "test", "test_monte_carlo", "test_crops", "test_adversarial", "train_clean", "train_mode", "eval_mode"
]  # fmt: skip

Measure = Callable[[nn.Module, Split, SplitName], Generator[None, None, Metrics]]
"""A function that returns the metrics of a whole model on a split; yields after each batch."""


Totals = Callable[[Tensor, Tensor], Tensor]
"""A function from the outputs and targets of a batch to sums over its rows, float64 (targets, 4): see `Sums`."""

Sums = list[float]
"""The sums of one target: rows with a label, losses, hits (or absolute errors), and squared errors."""


class RunningTotals:
    """The sums over the batches that are measured so far. A resumed run continues with the next batch."""

    def __init__(self) -> None:
        self.batches = 0
        self.sums: Tensor | None = None
        self.classes = ClassTotals()

    def add(self, sums: Tensor) -> None:
        """Adds the sums of the next batch."""
        self.batches += 1
        # The sums stay on the device: to read them after each batch, the CPU would have to wait for a GPU.
        self.sums = (torch.zeros_like(sums) if self.sums is None else self.sums.to(sums.device)) + sums

    def state_dict(self) -> State:
        sums = {} if self.sums is None else {"sums": self.sums}
        return {"batches": self.batches, **sums, **with_prefix("classes", self.classes.state_dict())}

    def load_state_dict(self, state: State) -> None:
        self.batches = state["batches"]
        self.sums = state.get("sums")
        self.classes.load_state_dict(strip_prefix("classes", state))


def measure(
    plan: Plan, data: Data, model: nn.Module, split: Split, name: SplitName, totals: RunningTotals
) -> Generator[None, None, Metrics]:
    """Returns the metrics of a whole model on a split, of which `totals` may have the first batches; yields after each
    batch."""
    return evaluate(model, split, name, targets=plan.targets, units=data.units, totals=totals)


def evaluate(
    model: Model,
    split: Split,
    name: SplitName,
    *,
    targets: Sequence[Target],
    units: Sequence[Unit],
    totals: RunningTotals,
) -> Generator[None, None, Metrics]:
    """Returns the metrics of a model on a split, of which `totals` may have the first batches; yields after each batch.
    Sums are in float64 and read once, at the end."""
    batch_totals = totals_of(clean_losses(targets))
    # Diagnostics measure the loss and the accuracy alone.
    by_class = [target for target in targets if target.class_measures and name.startswith(("validation", "test"))]
    for rows, labels in islice(split.batches(BATCH_ROWS), totals.batches, None):
        with torch.inference_mode():
            outputs = comparable(model(rows), labels)
            totals.classes.add(outputs, labels, by_class)
            totals.add(batch_totals(outputs, labels))
        yield
    assert totals.sums is not None
    found = metrics(split, name, totals.sums.tolist(), targets=targets, units=units)
    measured = totals.classes.measures(split.targets, by_class)
    return found | {f"{name}_{measure}": value for measure, value in measured.items()}


def comparable(outputs: Tensor, targets: Tensor) -> Tensor:
    """Returns the outputs in the precision of the targets, which is 64 bits if the targets need it, else 32."""
    return outputs.to(targets.dtype) if targets.is_floating_point() else outputs.float()


def totals_of(losses: TargetLosses) -> Totals:
    """Returns the function that sums a batch. For a single target it is faster, because all rows have a label."""
    if len(losses) == 1:
        [(target, loss)] = losses.items()
        return partial(single_total, target=target, loss=loss)
    return partial(totals_by_label, losses=losses)


def single_total(outputs: Tensor, targets: Tensor, *, target: Target, loss: LossFunction) -> Tensor:
    rows = len(targets)
    # The loss is a mean, but totals are sums over rows.
    total = loss(outputs, targets).double() * rows
    if target.classes is not None:
        first, second = count_hits(outputs, targets).double(), torch.zeros_like(total)
    else:
        first = (outputs.squeeze(1) - targets).abs().double().sum()
        second = squared_error(outputs, targets).double() * rows
    return torch.stack((torch.full_like(total, rows), total, first, second))[None]


def totals_by_label(outputs: Tensor, targets: Tensor, *, losses: TargetLosses) -> Tensor:
    """Returns sums over the rows that have a label, for each target."""
    is_known, known = known_labels(targets)
    totals = []
    for target, loss in losses.items():
        labels = known[:, target.index]
        own_loss = row_losses(outputs, known, target, loss)
        rows = torch.stack((torch.ones_like(labels), own_loss, *errors(outputs[:, target.columns], labels, target)))
        totals.append(torch.where(is_known[:, target.index], rows, 0.0).double().sum(1))
    return torch.stack(totals)


def errors(outputs: Tensor, labels: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Returns for each row whether the prediction is correct, and 0; or the absolute and the squared error."""
    if target.classes is None:
        difference = outputs.squeeze(1) - labels
        return difference.abs(), difference.square()
    return (predicted_classes(outputs) == labels).to(outputs.dtype), torch.zeros_like(labels)


def count_hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Returns the number of rows whose class is predicted correctly."""
    return (predicted_classes(outputs) == classes_of(targets)).sum()


def classes_of(targets: Tensor) -> Tensor:
    """Returns class numbers; for mixed targets, the class with the largest share."""
    if targets.ndim == 2:
        return targets.argmax(1)
    return targets > 0.5 if targets.is_floating_point() else targets


def metrics(
    split: Split, name: SplitName, totals: list[Sums], *, targets: Sequence[Target], units: Sequence[Unit]
) -> Metrics:
    """Returns the weighted loss over standardised numbers, as in training, and the metrics of each target in its units.
    The loss of a single target, in its units, replaces the weighted loss, because it has the same name."""
    found: Metrics = {f"{name}_loss": 0.0}
    for target, unit, (rows, *rest) in zip(targets, units, totals, strict=True):
        # A split may have no label of a target; its sums are 0 then, and must not be divided by 0.
        loss, first, second = (value / max(rows, 1.0) for value in rest)
        found[f"{name}_loss"] += target.weight * loss / unit.variance
        found[f"{name}_{target.loss_metric}"] = loss
        numbers = [] if target.classes is not None else [r2(second, column(split.targets, target.index)), sqrt(second)]
        values = [first, *numbers]
        found |= {f"{name}_{measure}": value for measure, value in zip(target.measures, values, strict=True)}
    return found


def r2(squared: float, labels: Tensor) -> float:
    """Returns 1 - (mean squared error) / (variance of the labels), or 0 if all labels are equal."""
    known = labels[~labels.isnan()].double()
    spread = float(known.var(correction=0)) if len(known) else 0.0
    return 1 - squared / spread if spread else 0.0
