"""Provides diagnostics with fixed rows of the training split and with copies of the model."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from worker.data.batches import Batches
from worker.data.dataset import Data, Split
from worker.evaluation.population import even_batches
from worker.seeds import Seeds, device_generator
from worker.types import Criterion, Model

Values = JsonObject
"""The values that a diagnostic computes, by name."""


@dataclass(frozen=True)
class Subject:
    """Copies of the model at the end of an epoch, which diagnostics can use without effect on training."""

    epoch: int
    step: int
    evaluated: nn.Sequential
    """A copy in evaluation mode, with the same norm statistics as for the epoch's metrics."""
    in_training: Callable[[], nn.Sequential]
    """Makes a new copy in training mode."""
    predictor: Callable[[nn.Sequential], Model]
    """Returns the forward pass of a copy from normalised inputs to the outputs that the loss takes, in training's
    precision."""
    build_criterion: Callable[[nn.Sequential], Criterion]
    """Returns the loss of a training step for a copy."""


@dataclass(frozen=True)
class ProbeBatch:
    """A batch of the probe, augmented and normalised as in a training step."""

    inputs: Tensor
    targets: Tensor
    seed: int
    """The seed of the random masks in the model."""


class Probe:
    """The rows on which diagnostics are computed: the first of a random permutation of the training split."""

    def __init__(self, plan: Plan, data: Data, batches: Batches, rows: int | Literal["all"]) -> None:
        self.data = data
        self.seeds = Seeds(plan.recipe.seed, "diagnostics")
        order = torch.randperm(plan.sizes.train, generator=torch.Generator().manual_seed(self.seeds.at(0)))
        self.rows = order[: None if rows == "all" else rows].to(data.train.device)
        # Batches are as large as in training, because batch statistics depend on the size, and the size fits the
        # device.
        self.parts = even_batches(self.rows, plan.recipe.batch_size)
        # A shallow copy shares the inputs on the device with training, but may have other seeds.
        self.batches = copy(batches)
        self.batches.augmentation_seeds = batches.augmentation_seeds and self.seeds
        self.unmixed = copy(self.batches)
        self.unmixed.mixing = None

    def split(self) -> Split:
        """Returns the probe's rows as a split, in stored units."""
        train = self.data.train
        if len(self.rows) == len(train):
            return train
        return Split(train.take(self.rows), train.targets.index_select(0, self.rows))

    def targets(self) -> Tensor:
        """Returns the targets in the order of the batches, in the data's units."""
        return self.data.train.targets.index_select(0, self.rows)

    def clean_inputs(self) -> Iterator[Tensor]:
        """Yields inputs without augmentation, batch by batch, in stored units."""
        for rows in self.parts:
            yield self.data.train.take(rows)

    def training_batches(self, epoch: int, *, mixed: bool) -> Iterator[ProbeBatch]:
        """Yields augmented and normalised batches; with `mixed`, also with mixup or cutmix if the recipe has it."""
        batches = self.batches if mixed else self.unmixed
        for index, rows in enumerate(self.parts):
            # Each batch needs two seeds: one for its augmentation, one for its masks.
            draw = 2 * (epoch * len(self.parts) + index)
            # A part is no larger than a batch, so it is gathered as exactly one.
            [batch] = batches.gather(rows)
            yield ProbeBatch(*batches.transform(*batch, draw), seed=self.seeds.at(draw + 1))


def seed_masks(batch: ProbeBatch) -> None:
    """Seeds the random masks for a pass in training mode; training seeds them again at its next step."""
    device_generator(batch.inputs.device).manual_seed(batch.seed)
