"""Computes balanced accuracy, F1 and AUROC. `bakehouse code --evaluate` prints this source, so it imports nothing from
Bakehouse."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def class_metrics(measures: Sequence[str], counts: Tensor, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Returns the metrics of a target by the counts of `count_predictions`; for AUROC, of the outputs for all rows.

    Leaves out an AUROC that is not defined.
    """
    is_known = ~labels.isnan()
    known = labels[is_known].long()
    predictions, hits = counts.cpu()
    labelled = torch.bincount(known.cpu(), minlength=len(hits))
    found: dict[str, float | None] = {}
    for measure in measures:
        match measure:
            case "auroc":
                found[measure] = auroc(outputs[is_known], known)
            case "balanced_accuracy":
                found[measure] = balanced_accuracy(hits, labelled)
            case _:
                found[measure] = macro_f1(hits, predictions, labelled)
    return {measure: value for measure, value in found.items() if value is not None}


def predicted_classes(outputs: Tensor) -> Tensor:
    """Returns the class with the largest logit; a single logit is that of class 1 against class 0."""
    return outputs.argmax(1) if outputs.shape[1] > 1 else outputs.squeeze(1) > 0


def count_predictions(outputs: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Returns how often each class is predicted for the rows with a label, and how often correctly: (2, classes)."""
    predicted = predicted_classes(outputs).long()
    rows = torch.stack((~labels.isnan(), predicted == labels)).long()
    counts = torch.zeros(2, classes, dtype=torch.int64, device=outputs.device)
    return counts.index_add(1, predicted, rows)


def balanced_accuracy(hits: Tensor, labelled: Tensor) -> float:
    """Returns the mean over the classes with a label of the share of their rows that is predicted correctly."""
    is_present = labelled > 0
    return float((hits[is_present].double() / labelled[is_present]).mean())


def macro_f1(hits: Tensor, predictions: Tensor, labelled: Tensor) -> float:
    """Returns the mean of 2 hits / (labels + predictions) over the classes that have a label or a prediction."""
    both = labelled + predictions
    is_present = both > 0
    return float((2 * hits[is_present].double() / both[is_present]).mean())


def auroc(outputs: Tensor, labels: Tensor) -> float | None:
    """Returns the area of the second of two classes, or the mean area of each class against the rest over the classes
    with a label; nan if a probability is nan, and None if all labels are of one class."""
    if len(torch.unique(labels)) < 2:
        return None
    width = outputs.shape[1]
    if width == 1:
        return area(outputs[:, 0], labels == 1)
    # The probabilities of one class at a time, because all of them in 64 bits take twice the memory of the outputs.
    normalizer = log_sums(outputs)
    present = [1] if width == 2 else torch.unique(labels).tolist()
    areas = [area((outputs[:, index].double() - normalizer).exp(), labels == index) for index in present]
    return math.fsum(areas) / len(areas)


def log_sums(outputs: Tensor, *, rows: int = 4096) -> Tensor:
    """Returns the logarithm of the sum of exponentials of each row, in 64 bits."""
    return torch.cat([block.double().logsumexp(1) for block in torch.split(outputs, rows)])


def area(scores: Tensor, is_positive: Tensor) -> float:
    """Returns the chance that a positive row has a higher score than a negative one; a tie counts half.

    Ranks are whole or half numbers, so that sums of them in 64 bits are exact. Hanley & McNeil 1982, Radiology 143.
    """
    if bool(scores.isnan().any()):
        return math.nan
    _, place, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = counts.cumsum(0) - (counts - 1).double() / 2
    positives = int(is_positive.sum())
    above = float(mean_ranks[place][is_positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * (len(scores) - positives))
