"""Makes batches of the training split. Many batches are copied at a time, by index."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Generator, Tensor, nn

from bakehouse.plan.data_bytes import MAX_WHITENED_BYTES
from bakehouse.plan.plan import Plan
from bakehouse.recipe.shuffle import AnyShuffle, Blocks
from worker.augmentation.phases import after_normalization, before_normalization, mixing
from worker.data.dataset import Data, Split
from worker.data.rows import MappedRows, Rows
from worker.data.sampling import sampler
from worker.data.shuffle import shuffle_blocks
from worker.seeds import Seeds
from worker.types import Batch, Subset

MAX_BLOCK_BATCHES = 64
MAX_BLOCK_BYTES = 4 << 20
ALIGNED_BYTES = 64
MAX_UNALIGNED_BLOCK_BYTES = 64 << 20
"""Size of blocks whose batches do not begin at multiples of 64 bytes. The place of such a batch in its block decides
which kernel computes it, so that the blocks keep the size with which earlier versions have trained."""
BATCH_ROWS = 128
"""Number of rows of a batch in evaluation. Larger batches do not fit into the caches: with 1,024 rows, a small
residual network was measured to be 2.3 times slower."""


class Batches:
    """Makes batches of normalised inputs, and of targets in the units of the loss. A batch depends only on seed and
    step."""

    def __init__(
        self, plan: Plan, data: Data, normalize: nn.Module, layout: torch.memory_format, subset: Subset
    ) -> None:
        """`subset` returns the rows that a step may learn from."""
        recipe = plan.recipe
        self.subset = subset
        self.batch_size = recipe.batch_size
        self.steps_per_epoch = plan.steps_per_epoch
        self.layout = layout
        self.before_normalization = tuple(before_normalization(plan, data.train.photographs))
        self.after_normalization = tuple(after_normalization(plan))
        self.mixing = mixing(plan)
        whitens = plan.recipe.dataset.normalization == "whiten"
        features = plan.card.features if plan.data.encoding is None else plan.data.width
        is_small = len(data.train) * features * 4 <= MAX_WHITENED_BYTES
        # Augmentations of pixels need stored units, so their inputs are normalised after them.
        by_batch = bool(self.before_normalization) or (whitens and not is_small)
        # A product with a matrix would take long at every epoch. Other inputs are not kept twice.
        stage = "batch" if by_batch else "once" if whitens else "block"
        source = normalize(data.train.inputs) if stage == "once" else data.train.source
        if data.train.photographs is not None:
            # The first augmentation cuts windows out of the photographs, and takes their places.
            source = torch.arange(len(data.train.photographs), device=data.train.device)
        self.normalize_block = normalize if stage == "block" else None
        self.normalize = normalize if stage == "batch" else None
        self.split = Split(source, data.standardized(data.train.targets))
        self.draw_sample = sampler(plan, data.train.targets)
        self.shuffle = recipe.dataset.shuffle
        self.rows_ahead = rows_ahead(self.shuffle, self.split.source)
        self.order_seeds = Seeds(recipe.seed, "order")
        self.augmentation_seeds = Seeds(recipe.seed, "augmentation") if recipe.augmentation else None
        self.generator = torch.Generator(data.train.device)
        batch_bytes = 4 * recipe.batch_size * features
        limit = MAX_UNALIGNED_BLOCK_BYTES if batch_bytes % ALIGNED_BYTES else MAX_BLOCK_BYTES
        self.block_rows = recipe.batch_size * max(1, min(MAX_BLOCK_BATCHES, limit // batch_bytes))

    def order(self, epoch: int) -> Tensor:
        """Returns the rows of an epoch (counted from 0) in random order: a sample, if the recipe has one, or a subset,
        which is repeated until the epoch is full."""
        # A generator on the CPU gives the same order on any device.
        generator = torch.Generator().manual_seed(self.order_seeds.at(epoch))
        if self.draw_sample is not None:
            return self.draw_sample(generator).to(self.split.device)
        if isinstance(self.shuffle, Blocks):
            return shuffle_blocks(self.shuffle, len(self.split), generator).to(self.split.device)
        step = epoch * self.steps_per_epoch
        rows = draw_passes(len(self.split), self.subset, step=step, batch_size=self.batch_size, generator=generator)
        return rows.to(self.split.device)

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yields the batches from this step to the end of its epoch."""
        epoch, done = divmod(step, self.steps_per_epoch)
        # A resumed run uses the same blocks as an uninterrupted one, because the alignment of a batch in its block
        # decides which kernel computes it, and thus the last bits.
        first, skipped = divmod(done, self.block_rows // self.batch_size)
        order = self.order(epoch)
        read_to = first * self.block_rows
        for start in range(read_to, len(order), self.block_rows):
            read_to = self.read_ahead(order, start, read_to)
            for inputs, targets in islice(self.gather(order[start : start + self.block_rows]), skipped, None):
                yield self.transform(inputs, targets, step)
                step += 1
            skipped = 0

    def read_ahead(self, order: Tensor, start: int, read_to: int) -> int:
        """Asks the system to read the rows that are shuffled together with those of the block at `start`, and those
        that are next. They are read up to `read_to`; returns up to where they are now."""
        window = self.rows_ahead
        if window is None or not isinstance(self.split.source, MappedRows):
            return read_to
        end = ((start + self.block_rows - 1) // window + 2) * window
        if read_to < min(end, len(order)):
            self.split.source.read_ahead(order[read_to:end])
        return end

    def gather(self, rows: Tensor) -> Iterator[Batch]:
        """Copies the rows at once, and splits them into batches. Normalises them, unless `transform` does it."""
        inputs = self.split.take(rows)
        if self.normalize_block is not None:
            inputs = self.normalize_block(inputs)
        if self.layout is torch.channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=self.layout)
        targets = self.split.targets.index_select(0, rows)
        return zip(torch.split(inputs, self.batch_size), torch.split(targets, self.batch_size), strict=True)

    def transform(self, inputs: Tensor, targets: Tensor, step: int) -> Batch:
        """Augments a batch, and normalises it unless its block is normalised already."""
        if self.augmentation_seeds is not None:
            self.generator.manual_seed(self.augmentation_seeds.at(step))
        for augment in self.before_normalization:
            inputs = augment(inputs, self.generator)
        if self.normalize is not None:
            inputs = self.normalize(inputs)
        for augment in self.after_normalization:
            inputs = augment(inputs, self.generator)
        if self.mixing is not None:
            inputs, targets = self.mixing(inputs, targets, self.generator)
        # An augmentation may have returned another layout.
        return inputs.contiguous(memory_format=self.layout), targets


def rows_ahead(shuffle: AnyShuffle, source: Rows) -> int | None:
    """Returns how many rows are read ahead at once: those that are shuffled together or, if all are, some of those that
    memory does not hold. None if the system reads them well by itself."""
    if not isinstance(source, MappedRows):
        return None
    if isinstance(shuffle, Blocks):
        return shuffle.rows * shuffle.mixed
    if not source.exceeds_memory:
        return None
    source.expect_random()
    return source.rows_ahead


def draw_passes(rows: int, subset: Subset, *, step: int, batch_size: int, generator: Generator) -> Tensor:
    """Draws rows from `step` on as a series of permutations, each of the subset at the step where it begins."""
    permutations: list[Tensor] = []
    drawn = 0
    while drawn < rows:
        chosen = subset(step + drawn // batch_size)
        assert len(chosen), "a curriculum begins before its rows are asked for"
        permutations.append(chosen[torch.randperm(len(chosen), generator=generator)])
        drawn += len(chosen)
    return torch.cat(permutations)[:rows]
