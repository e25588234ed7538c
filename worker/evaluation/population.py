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
        """Returns the model itself."""
        yield from ()
        return model


class Population:
    """Evaluates with the statistics of the whole training split."""

    def __init__(self, plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> None:
        self.plan = plan
        self.inputs = data.train.inputs
        self.frozen = frozenset(frozen)
        seed = Seeds(plan.recipe.seed, "population").at(0)
        # Shuffled, because rows that are sorted by class would give batches of one class.
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(seed)).to(self.inputs.device)
        self.batches = even_batches(order, max(BATCH_ROWS, plan.recipe.batch_size))

    def of(self, model: nn.Sequential) -> Generator[None, None, nn.Sequential]:
        """Returns a copy with these statistics, and leaves the model's own as they are. Yields after each batch."""
        copy = with_own_buffers(model)
        is_frozen = {name for name, module in model.named_modules() if module in self.frozen}
        norms = [copy.get_submodule(name) for name in layers_with_statistics(self.plan.root) if name not in is_frozen]
        yield from estimate(copy, self.inputs, self.batches, norms)
        return copy


def evaluated_statistics(plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> MovingAverages | Population:
    """Chooses the statistics that norms over the batch are evaluated with."""
    is_population = plan.recipe.evaluation.statistics == "population"
    return Population(plan, data, frozen) if is_population else MovingAverages()


def even_batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Splits rows into batches of nearly equal size, so that none has a single row, whose variance is zero."""
    return torch.tensor_split(rows, max(1, -(-len(rows) // size)))


def estimate(
    model: nn.Module, inputs: Tensor, batches: Iterable[Tensor], norms: Iterable[nn.Module]
) -> Generator[None, None, None]:
    """Writes mean and variance of each norm's inputs over all rows into its buffers. Yields after each batch.

    All other layers are as in evaluation. In this pass each norm divides by its batch's own statistics, so that all
    layers need one pass: the inputs of a later layer differ from those in evaluation by the noise of its batch's mean
    and variance, of order 1 / rows. The variance includes that of the batches' means, which is missing in the mean of
    the batches' variances that torch's `momentum=None` gives.
    """
    model.eval()
    moments = {norm: Moments() for norm in norms}
    with batch_statistics(moments):
        for rows in batches:
            with torch.inference_mode():
                model(inputs.index_select(0, rows))
            yield
    for norm, found in moments.items():
        write_statistics(norm, found)


@contextmanager
def batch_statistics(moments: Mapping[nn.Module, Moments]) -> Iterator[None]:
    """Makes norms add their inputs to `moments` and divide by the batch's statistics; their own stay."""

    def normalized(norm: Any, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        inputs = arguments[0]
        moments[norm].add(inputs)
        return functional.batch_norm(inputs, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)

    hooks = [norm.register_forward_hook(normalized) for norm in moments]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def write_statistics(norm: Any, found: Moments) -> None:
    """Writes the unbiased variance, or for batch renorm the square root of the biased one plus eps."""
    norm.running_mean.copy_(found.mean)
    if isinstance(norm, BatchRenorm):
        norm.running_std.copy_((found.variance(correction=0) + norm.eps).sqrt())
    else:
        norm.running_var.copy_(found.variance(correction=1))
