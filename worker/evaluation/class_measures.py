"""Computes balanced accuracy, F1 and AUROC, which need more of a split than a sum over its rows."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bakehouse.plan.targets import Target
from worker.data.dataset import column
from worker.types import State


class ClassTotals:
    """What the metrics of classes need of the batches so far: the predictions of each class, and for AUROC the outputs
    for all rows. A resumed run continues with the next batch."""

    def __init__(self) -> None:
        self.counts: dict[str, Tensor] = {}
        """For each target by its number: how often each class was predicted, and how often correctly, (2, classes)."""
        self.outputs: list[Tensor] = []

    def add(self, outputs: Tensor, labels: Tensor, targets: Sequence[Target]) -> None:
        """Adds a batch without waiting for the device."""
        for target in targets:
            counts = count_predictions(outputs[:, target.columns], column(labels, target.index), target)
            earlier = self.counts.get(str(target.index), torch.zeros_like(counts))
            self.counts[str(target.index)] = earlier.to(counts.device) + counts
        if any("auroc" in target.class_measures for target in targets):
            self.outputs.append(outputs)

    def measures(self, labels: Tensor, targets: Sequence[Target]) -> dict[str, float]:
        """Returns the metrics of all targets; leaves out an AUROC that is not defined."""
        found: dict[str, float] = {}
        outputs = torch.cat([each.to(labels.device) for each in self.outputs]) if self.outputs else torch.empty(0)
        for target in targets:
            own = column(labels, target.index)
            is_known = ~own.isnan()
            known = own[is_known].long()
            values: dict[str, float | None] = {}
            for measure in target.class_measures:
                if measure == "auroc":
                    values[measure] = auroc(outputs[is_known, target.columns], known)
                else:
                    predictions, hits = self.counts[str(target.index)].cpu()
                    labelled = torch.bincount(known.cpu(), minlength=len(hits))
                    mean = balanced_accuracy if measure == "balanced_accuracy" else macro_f1
                    values[measure] = mean(hits, predictions, labelled)
            found |= {f"{target.prefix}{name}": value for name, value in values.items() if value is not None}
        return found

    def state_dict(self) -> State:
        outputs = {"outputs": torch.cat(self.outputs)} if self.outputs else {}
        return {**{f"counts{index}": counts for index, counts in self.counts.items()}, **outputs}

    def load_state_dict(self, state: State) -> None:
        self.outputs = [state["outputs"]] if "outputs" in state else []
        self.counts = {name.removeprefix("counts"): each for name, each in state.items() if name.startswith("counts")}


def predicted_classes(outputs: Tensor) -> Tensor:
    """Returns the class with the largest logit; a single logit is that of class 1 against class 0."""
    return outputs.argmax(1) if outputs.shape[1] > 1 else outputs.squeeze(1) > 0


def count_predictions(outputs: Tensor, labels: Tensor, target: Target) -> Tensor:
    """Returns how often each class is predicted for the rows with a label, and how often correctly."""
    predicted = predicted_classes(outputs).long()
    rows = torch.stack((~labels.isnan(), predicted == labels)).long()
    counts = torch.zeros(2, len(target.classes or ()), dtype=torch.int64, device=outputs.device)
    return counts.index_add(1, predicted, rows)


def balanced_accuracy(hits: Tensor, _: Tensor, labelled: Tensor) -> float:
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
