"""Measures balanced accuracy, F1 and AUROC, which need more of a split than a sum over its rows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bakehouse.plan.targets import Target
from worker.data.dataset import column
from worker.evaluation.standalone.class_metrics import class_metrics, count_predictions
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
            own_labels = column(labels, target.index)
            counts = count_predictions(outputs[:, target.columns], own_labels, len(target.classes or ()))
            earlier = self.counts.get(str(target.index), torch.zeros_like(counts))
            self.counts[str(target.index)] = earlier.to(counts.device) + counts
        if any("auroc" in target.class_measures for target in targets):
            self.outputs.append(outputs)

    def measures(self, labels: Tensor, targets: Sequence[Target]) -> dict[str, float]:
        """Returns the metrics of all targets; leaves out an AUROC that is not defined."""
        found: dict[str, float] = {}
        outputs = torch.cat([each.to(labels.device) for each in self.outputs]) if self.outputs else None
        for target in targets:
            own_outputs = torch.empty(0) if outputs is None else outputs[:, target.columns]
            counts = self.counts[str(target.index)]
            values = class_metrics(target.class_measures, counts, own_outputs, column(labels, target.index))
            found |= {f"{target.prefix}{name}": value for name, value in values.items()}
        return found

    def state_dict(self) -> State:
        outputs = {"outputs": torch.cat(self.outputs)} if self.outputs else {}
        return {**{f"counts{index}": counts for index, counts in self.counts.items()}, **outputs}

    def load_state_dict(self, state: State) -> None:
        self.outputs = [state["outputs"]] if "outputs" in state else []
        self.counts = {name.removeprefix("counts"): each for name, each in state.items() if name.startswith("counts")}
