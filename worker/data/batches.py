"""Cuts the training split into batches: tensors on the device, of which one gather takes many batches."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Generator as Draws
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from worker.augmentation.phases import after_normalization, before_normalization, mixing
from worker.data.dataset import Data
from worker.seeds import Seeds
from worker.types import Batch, Subset

BLOCK_BATCHES = 64
BLOCK_BYTES = 64 << 20
# Inputs are kept normalised, as float32, if they take no more than this.
KEEP_BYTES = 2 << 30


class Batches:
    """Batches of normalised inputs and standardised targets; each depends on (seed, step) alone."""

    def __init__(
        self, plan: Plan, data: Data, normalize: nn.Module, layout: torch.memory_format, subset: Subset
    ) -> None:
        """`subset` chooses the rows that a step may learn from."""
        recipe = plan.recipe
        self.subset = subset
        self.batch_size, self.steps_per_epoch, self.layout = recipe.batch_size, plan.steps_per_epoch, layout
        self.before_normalization = tuple(before_normalization(plan))
        self.after_normalization = tuple(after_normalization(plan))
        self.mixing = mixing(plan)
        keep = not self.before_normalization and data.train.inputs.numel() * 4 <= KEEP_BYTES
        self.normalize = None if keep else normalize
        self.inputs = normalize(data.train.inputs) if keep else data.train.inputs
        self.targets = data.standardized(data.train.targets)
        self.order_seeds = Seeds(recipe.seed, "order")
        self.augmentation_seeds = Seeds(recipe.seed, "augmentation") if recipe.augmentation else None
        self.generator = torch.Generator(data.train.inputs.device)
        batch_bytes = 4 * recipe.batch_size * plan.card.features
        self.block_rows = recipe.batch_size * max(1, min(BLOCK_BATCHES, BLOCK_BYTES // batch_bytes))

    def order(self, epoch: int) -> Tensor:
        """The order of the training rows in an epoch, from 0: a permutation, or several of a subset."""
        generator, count = torch.Generator().manual_seed(self.order_seeds.at(epoch)), len(self.inputs)
        step = epoch * self.steps_per_epoch
        rows = passes(count, self.subset, step=step, batch_size=self.batch_size, generator=generator)
        return rows.to(self.inputs.device)

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yields the rest of the epoch that `step` is in."""
        epoch, done = divmod(step, self.steps_per_epoch)
        # Blocks begin where they always do: kernels choose their path by a batch's alignment in its block.
        first, skipped = divmod(done, self.block_rows // self.batch_size)
        for rows in torch.split(self.order(epoch), self.block_rows)[first:]:
            for inputs, targets in islice(self.gather(rows), skipped, None):
                yield self.transformed(inputs, targets, step)
                step += 1
            skipped = 0

    def gather(self, rows: Tensor) -> Iterator[Batch]:
        """Copies the rows of a block of batches at once."""
        inputs = self.inputs.index_select(0, rows)
        if self.layout is torch.channels_last:
            inputs = inputs.contiguous(memory_format=self.layout)
        targets = self.targets.index_select(0, rows)
        return zip(torch.split(inputs, self.batch_size), torch.split(targets, self.batch_size), strict=True)

    def transformed(self, inputs: Tensor, targets: Tensor, step: int) -> Batch:
        """Augments a batch, and normalises it unless that was done once for all steps."""
        if self.augmentation_seeds is not None:
            self.generator.manual_seed(self.augmentation_seeds.at(step))
        for transform in self.before_normalization:
            inputs = transform(inputs, self.generator)
        if self.normalize is not None:
            inputs = self.normalize(inputs)
        for transform in self.after_normalization:
            inputs = transform(inputs, self.generator)
        if self.mixing is not None:
            inputs, targets = self.mixing(inputs, targets, self.generator)
        return inputs.contiguous(memory_format=self.layout), targets


def passes(rows: int, subset: Subset, *, step: int, batch_size: int, generator: Draws) -> Tensor:
    """The first `rows` of successive permutations, each of the subset of the step in which it begins."""
    found: list[Tensor] = []
    taken = 0
    while taken < rows:
        chosen = subset(step + taken // batch_size)
        assert len(chosen), "a curriculum begins before its rows are asked for"
        found.append(chosen[torch.randperm(len(chosen), generator=generator)])
        taken += len(chosen)
    return torch.cat(found)[:rows]


# Maps of more rows leave the caches: a small residual network is measured 2.3 times as fast as with 1,024.
BATCH_ROWS = 128
