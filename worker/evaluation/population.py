"""Batch statistics of the whole training split in place of moving averages.

Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 2; with dropout off as in Li et al. 2018, arXiv 1801.05134, table 3.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.checks.norm import layers_with_statistics
from bakehouse.plan.plan import Plan
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data
from worker.model.modules import BatchRenorm
from worker.model.moments import Moments
from worker.model.state_dict import with_own_buffers
from worker.seeds import Seeds


class MovingAverages:
    """Evaluates with the moving averages that the model keeps while it trains."""

    def of(self, model: nn.Sequential) -> Generator[None, None, nn.Sequential]:
        """The model itself."""
        yield from ()
        return model


class Population:
    """Evaluates with the statistics of the whole training split."""

    def __init__(self, plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> None:
        self.plan, self.inputs, self.frozen = plan, data.train.inputs, frozenset(frozen)
        seed = Seeds(plan.recipe.seed, "population").at(0)
        # Rows of a class that stand together would give batches of one class.
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(seed)).to(self.inputs.device)
        self.parts = even_batches(order, max(BATCH_ROWS, plan.recipe.batch_size))

    def of(self, model: nn.Sequential) -> Generator[None, None, nn.Sequential]:
        """A copy with these statistics; what the model itself keeps goes on untouched. Yields after each batch."""
        twin = with_own_buffers(model)
        still = {name for name, module in model.named_modules() if module in self.frozen}
        norms = [twin.get_submodule(name) for name in layers_with_statistics(self.plan.root) if name not in still]
        yield from estimate(twin, self.inputs, self.parts, norms)
        return twin


def evaluated_statistics(plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> MovingAverages | Population:
    """The statistics with which norms over the batch are evaluated."""
    is_population = plan.recipe.evaluation.statistics == "population"
    return Population(plan, data, frozen) if is_population else MovingAverages()


def even_batches(rows: Tensor, most: int) -> tuple[Tensor, ...]:
    """Rows in batches of at most so many and of nearly equal size: none is left with a single row, whose variance is
    zero."""
    return torch.tensor_split(rows, max(1, -(-len(rows) // most)))


def estimate(
    model: nn.Module, inputs: Tensor, batches: Iterable[Tensor], norms: Iterable[nn.Module]
) -> Generator[None, None, None]:
    """Writes mean and variance of each norm's inputs over all rows into its buffers. Yields after each batch.

    All other layers are as in evaluation. In this pass each norm divides by its batch's own statistics, so that all
    layers are done in one pass: what a later layer is fed differs from what evaluation will feed it by the noise of
    its batch's mean and variance, of order 1 / rows. Unlike the mean of the batches' variances, which is what torch's
    `momentum=None` gives, the variance holds that of the batches' means.
    """
    model.eval()
    moments = {norm: Moments() for norm in norms}
    with by_batch(moments):
        for rows in batches:
            with torch.inference_mode():
                model(inputs.index_select(0, rows))
            yield
    for norm, found in moments.items():
        take(norm, found)


@contextmanager
def by_batch(moments: Mapping[nn.Module, Moments]) -> Iterator[None]:
    """Norms show their inputs to `moments` and divide by the batch's statistics; nothing of theirs moves."""

    def normalized(norm: Any, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        inputs = arguments[0]
        moments[norm].add(inputs)
        eps = norm.eps
        return functional.batch_norm(inputs, None, None, norm.weight, norm.bias, training=True, eps=eps)

    hooks = [norm.register_forward_hook(normalized) for norm in moments]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def take(norm: Any, found: Moments) -> None:
    """As the layer keeps it: the unbiased variance, or for batch renorm the square root of the biased one and eps."""
    norm.running_mean.copy_(found.mean)
    if isinstance(norm, BatchRenorm):
        norm.running_std.copy_((found.variance(correction=0) + norm.eps).sqrt())
    else:
        norm.running_var.copy_(found.variance(correction=1))
