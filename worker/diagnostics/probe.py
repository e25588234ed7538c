"""What diagnostics look at: rows of the training split that stay the same, and copies of the model."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from worker.data.batches import Batches
from worker.data.dataset import Data, Split
from worker.evaluation.population import even_batches
from worker.seeds import Seeds, device_generator
from worker.types import Criterion, Model

Values = dict[str, Any]
"""What a diagnostic tells."""


@dataclass(frozen=True)
class Subject:
    """The model when an epoch ends. What happens to a copy happens to no other."""

    epoch: int
    step: int
    evaluated: nn.Sequential
    """A copy in evaluation mode, with the statistics that it is measured with."""
    in_training: Callable[[], nn.Sequential]
    """A new copy in training mode."""
    predicting: Callable[[nn.Sequential], Model]
    """A copy's forward pass, from normalised inputs to what the objective takes, in the precision of training."""
    criterion: Callable[[nn.Sequential], Criterion]
    """The loss of a training step with a copy."""


@dataclass(frozen=True)
class Drawn:
    """A batch of the probe as a training step would see it; `seed` is for its masks."""

    inputs: Tensor
    targets: Tensor
    seed: int


class Probe:
    """The first rows of a permutation of the training split."""

    def __init__(self, plan: Plan, data: Data, batches: Batches, rows: int | Literal["all"]) -> None:
        self.data, self.seeds = data, Seeds(plan.recipe.seed, "diagnostics")
        order = torch.randperm(plan.sizes.train, generator=torch.Generator().manual_seed(self.seeds.at(0)))
        self.rows = order[: None if rows == "all" else rows].to(data.train.inputs.device)
        # As in training: a batch's statistics depend on its size, and a backward pass of this size fits the device.
        self.parts = even_batches(self.rows, plan.recipe.batch_size)
        self.batches = copy(batches)
        self.batches.augmentation_seeds = batches.augmentation_seeds and self.seeds
        self.unmixed = copy(self.batches)
        self.unmixed.mixing = None

    def split(self) -> Split:
        """The rows as they are stored."""
        train = self.data.train
        if len(self.rows) == len(train.inputs):
            return train
        return Split(train.inputs.index_select(0, self.rows), train.targets.index_select(0, self.rows))

    def targets(self) -> Tensor:
        """In the order of the batches, in the data's units."""
        return self.data.train.targets.index_select(0, self.rows)

    def clean(self) -> Iterator[Tensor]:
        """Inputs without augmentation, batch by batch, in stored units."""
        for rows in self.parts:
            yield self.data.train.inputs.index_select(0, rows)

    def drawn(self, epoch: int, *, mixed: bool) -> Iterator[Drawn]:
        """Augmented and normalised inputs; `mixed` also by what mixes rows and their targets."""
        batches = self.batches if mixed else self.unmixed
        for place, rows in enumerate(self.parts):
            draw = 2 * (epoch * len(self.parts) + place)
            [batch] = batches.gather(rows)
            yield Drawn(*batches.transformed(*batch, draw), seed=self.seeds.at(draw + 1))


def seed_masks(drawn: Drawn) -> None:
    """Before a pass in training mode. Training seeds its own masks at every step."""
    device_generator(drawn.inputs.device).manual_seed(drawn.seed)
