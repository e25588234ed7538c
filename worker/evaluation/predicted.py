"""Notes which classes a model predicts at all, while its predictions are measured."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from worker.data.dataset import Split, column
from worker.evaluation.standalone.class_metrics import predicted_classes


class PredictedClasses:
    """The classes of the main target that were predicted for some row."""

    def __init__(self, plan: Plan) -> None:
        self.target = plan.data.main
        self.is_predicted = torch.zeros(len(self.target.classes or ()), dtype=torch.bool)

    def of(self, model: nn.Module) -> nn.Module:
        """Returns a model with the same outputs, whose predictions are noted."""
        return model if self.target.classes is None else Noting(model, self)

    def note(self, outputs: Tensor) -> None:
        """Notes the predictions of a batch, without waiting for the device."""
        predicted = predicted_classes(outputs[:, self.target.columns]).long()
        self.is_predicted = self.is_predicted.to(outputs.device).index_fill(0, predicted, value=True)

    def add(self, classes: Iterable[int]) -> None:
        """Notes classes that an earlier attempt has seen."""
        for index in classes:
            self.is_predicted[index] = True

    def classes(self) -> list[int]:
        """Returns the classes that were predicted, in order."""
        return self.is_predicted.nonzero().flatten().tolist()

    def missing(self, split: Split) -> tuple[int, ...]:
        """Returns the classes that a split has and that were not predicted; nothing for numbers."""
        if self.target.classes is None:
            return ()
        labels = column(split.targets, 0)
        present = set(torch.unique(labels[~labels.isnan()]).long().tolist())
        return tuple(sorted(present - set(self.classes())))


class Noting(nn.Module):
    """A model whose predictions are noted."""

    def __init__(self, model: nn.Module, predicted: PredictedClasses) -> None:
        super().__init__()
        self.model = model
        self.predicted = predicted

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.model(inputs)
        self.predicted.note(outputs)
        return outputs
