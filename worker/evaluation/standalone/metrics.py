"""Measures a model as Bakehouse does. `bakehouse code --evaluate` prints this source, so it imports nothing from
Bakehouse."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.evaluation.standalone.class_metrics import class_metrics, count_predictions, predicted_classes
from worker.evaluation.standalone.labels import Target

BATCH_ROWS = 128
"""Number of rows that are measured at once; another number may round sums differently."""
TOLERANCE = 1e-6


def measure(model: nn.Module, inputs: Tensor, labels: Tensor, targets: Sequence[Target]) -> dict[str, float]:
    """Returns the loss and the further metrics of each target. Sums are in float64."""
    batches = [apply(model, rows, labels.dtype) for rows in torch.split(inputs, BATCH_ROWS)]
    sums = torch.zeros(len(targets), 4, dtype=torch.float64)
    for outputs, known in zip(batches, torch.split(labels, BATCH_ROWS), strict=True):
        sums += sum_batch(outputs, known, targets[0]) if len(targets) == 1 else sum_known(outputs, known, targets)
    found = {"test_loss": 0.0}
    for index, target in enumerate(targets):
        own = labels.reshape(len(labels), -1)[:, index]
        count, *totals = sums[index].tolist()
        loss, first, second = (total / max(count, 1.0) for total in totals)
        found["test_loss"] += target.weight * loss / variance(model, target)
        found["test_loss" if len(targets) == 1 else f"test_{target.prefix or 'main_'}loss"] = loss
        if target.classes is not None:
            measured = measure_classes(torch.cat(batches)[:, target.outputs], own, target)
            further = {"accuracy": first, **measured}
        else:
            further = {
                "mean_absolute_error": first,
                "r2": r2(second, own),
                "root_mean_squared_error": math.sqrt(second),
            }
        found |= {f"test_{target.prefix}{name}": value for name, value in further.items()}
    return found


def apply(model: nn.Module, rows: Tensor, labels: torch.dtype) -> Tensor:
    """Returns the outputs in the precision of the labels, which is 64 bits if they need it, else 32."""
    with torch.inference_mode():
        outputs: Tensor = model(rows)
        return outputs.to(labels) if labels.is_floating_point else outputs.float()


def measure_classes(outputs: Tensor, labels: Tensor, target: Target) -> dict[str, float]:
    """Returns the metrics of classes that the recipe asks for besides the accuracy."""
    counts = count_predictions(outputs, labels, len(target.classes or ()))
    return class_metrics(target.measures, counts, outputs, labels)


def sum_batch(outputs: Tensor, labels: Tensor, target: Target) -> Tensor:
    """Returns the sums of a batch for a single target: rows, loss, hits or absolute error, squared error."""
    count = len(labels)
    loss = row_losses(outputs, labels, target, "mean").double() * count
    if target.classes is not None:
        first = (predicted_classes(outputs) == labels).sum().double()
        second = torch.zeros_like(loss)
    else:
        first = (outputs.squeeze(1) - labels).abs().double().sum()
        second = functional.mse_loss(outputs.squeeze(1), labels).double() * count
    return torch.stack((torch.full_like(loss, count), loss, first, second))[None]


def sum_known(outputs: Tensor, labels: Tensor, targets: Sequence[Target]) -> Tensor:
    """Returns the sums of a batch for each of several targets, over the rows with a label."""
    is_known = ~labels.isnan()
    known = torch.where(is_known, labels, 0.0)
    sums = []
    for index, target in enumerate(targets):
        own, values = outputs[:, target.outputs], known[:, index]
        numbers = values.long() if target.loss == "cross_entropy" else values
        losses = row_losses(own, numbers, target, "none")
        if target.classes is not None:
            first, second = (predicted_classes(own) == values).to(own.dtype), torch.zeros_like(values)
        else:
            first, second = (own.squeeze(1) - values).abs(), (own.squeeze(1) - values).square()
        rows = torch.stack((torch.ones_like(values), losses, first, second))
        sums.append(torch.where(is_known[:, index], rows, 0.0).double().sum(1))
    return torch.stack(sums)


def row_losses(outputs: Tensor, labels: Tensor, target: Target, reduction: str) -> Tensor:
    """Returns the mean loss, or with the reduction "none" the loss of each row."""
    match target.loss:
        case "cross_entropy":
            return functional.cross_entropy(outputs, labels, reduction=reduction)
        case "binary_cross_entropy":
            numbers = labels.to(outputs.dtype)
            return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), numbers, reduction=reduction)
        case "squared_error":
            return functional.mse_loss(outputs.squeeze(1), labels, reduction=reduction)
        case _:  # poisson: half the deviance
            means = outputs.squeeze(1)
            rows = means - torch.xlogy(labels, means) + torch.xlogy(labels, labels) - labels
            return rows.mean() if reduction == "mean" else rows


def variance(model: nn.Module, target: Target) -> float:
    """Returns the variance of the training labels, by which a squared error is divided in the loss of all targets."""
    return 1.0 if target.unit is None else float(model.get_submodule(target.unit).get_buffer("std")) ** 2


def r2(squared: float, labels: Tensor) -> float:
    """Returns 1 - (mean squared error) / (variance of the labels), or 0 if all labels are equal."""
    known = labels[~labels.isnan()].double()
    spread = float(known.var(correction=0)) if len(known) else 0.0
    return 1 - squared / spread if spread else 0.0


def compare(found: Mapping[str, float], recorded: Mapping[str, float]) -> None:
    """Prints the metrics beside those that the run recorded; ends with exit code 1 if one differs."""
    is_different = False
    for name, expected in recorded.items():
        is_close = math.isclose(found[name], expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        is_different |= not is_close
        verdict = "identical" if found[name] == expected else "equal to 1e-6" if is_close else "DIFFERENT"
        print(f"{name}: {found[name]!r}, recorded {expected!r}: {verdict}")
    raise SystemExit(int(is_different))
