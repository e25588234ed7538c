"""Replaces the moving averages of norms by the statistics of the whole training split.

See Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 2. Dropout is off, as in Li et al. 2018, arXiv 1801.05134,
table 3.
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
from worker.data.dataset import Data, Split
from worker.model.modules import BatchRenorm
from worker.model.moments import Moments
from worker.model.state_dict import strip_prefix, with_own_buffers
from worker.seeds import Seeds
from worker.types import State


class MovingAverages:
    """Evaluates with the moving averages that the model keeps while it trains."""

    done = 0

    def of(self, model: nn.Sequential, _: int) -> Generator[None, None, nn.Sequential]:
        """Returns the model itself."""
        yield from ()
        return model

    def state_dict(self) -> State:
        """Returns an empty dict, because there is no state."""
        return {}

    def load_state_dict(self, _: State) -> None:
        """Restores nothing."""


class Population:
    """Evaluates with the statistics of the whole training split. A resumed run continues with the next batch."""

    def __init__(self, plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> None:
        self.plan = plan
        self.split = data.train
        self.frozen = frozenset(frozen)
        seed = Seeds(plan.recipe.seed, "population").at(0)
        # Rows are shuffled, because sorted rows would give batches of a single class.
        order = torch.randperm(len(self.split), generator=torch.Generator().manual_seed(seed)).to(self.split.device)
        # Larger batches have less noise in their statistics, so small batches of training are not used here.
        self.batches = even_batches(order, max(BATCH_ROWS, plan.recipe.batch_size))
        self.step = -1
        """The step whose weights are measured."""
        self.done = 0
        """Number of batches that are measured with these weights."""
        self.moments: dict[str, Moments] = {}
        """The moments of each norm's inputs over these batches."""

    def of(self, model: nn.Sequential, step: int) -> Generator[None, None, nn.Sequential]:
        """Returns a copy with the split's statistics, and does not change the model. Yields after each batch. The
        weights are those after `step`, so that batches which are measured already are not measured again."""
        copy = with_own_buffers(model)
        # The copy has other module objects, so frozen norms are recognised by name.
        is_frozen = {name for name, module in model.named_modules() if module in self.frozen}
        names = [name for name in layers_with_statistics(self.plan.root) if name not in is_frozen]
        if step != self.step:
            self.step = step
            self.done = 0
            self.moments = {name: Moments() for name in names}
        moments = {copy.get_submodule(name): self.moments[name] for name in names}
        for _ in estimate(copy, self.split, self.batches[self.done :], moments):
            self.done += 1
            yield
        return copy

    def state_dict(self) -> State:
        moments = {name: item.state_dict() for name, item in self.moments.items()}
        tensors = {f"{name}.{key}": item for name, state in moments.items() for key, item in state.items()}
        return {"step": self.step, "done": self.done, "norms": list(self.moments), **tensors}

    def load_state_dict(self, state: State) -> None:
        self.step = state["step"]
        self.done = state["done"]
        self.moments = {name: Moments() for name in state["norms"]}
        for name, item in self.moments.items():
            item.load_state_dict(strip_prefix(name, state), self.split.device)


def evaluated_statistics(plan: Plan, data: Data, frozen: Iterable[nn.Module]) -> MovingAverages | Population:
    """Chooses the statistics with which batch norms are evaluated."""
    is_population = plan.recipe.evaluation.statistics == "population"
    return Population(plan, data, frozen) if is_population else MovingAverages()


def even_batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Splits rows into batches of nearly equal size, so that no batch has a single row, whose variance would be 0."""
    return torch.tensor_split(rows, max(1, -(-len(rows) // size)))


def estimate(
    model: nn.Module, split: Split, batches: Iterable[Tensor], moments: Mapping[nn.Module, Moments]
) -> Generator[None, None, None]:
    """Adds the inputs of each norm over these batches to its moments, and writes their mean and variance into its
    buffers. Yields after each batch.

    All other layers work as in evaluation. In this pass each norm divides by the statistics of its batch, so that one
    pass is enough for all layers. The inputs of a later layer differ from those in evaluation by the noise of the
    batch's mean and variance, of order 1 / rows. The variance includes that of the means of batches; torch's
    `momentum=None`, which averages the variances of batches, leaves that part out.
    """
    model.eval()
    with batch_statistics(moments):
        for rows in batches:
            with torch.inference_mode():
                model(split.take(rows))
            yield
    for norm, found in moments.items():
        write_statistics(norm, found)


@contextmanager
def batch_statistics(moments: Mapping[nn.Module, Moments]) -> Iterator[None]:
    """Makes norms add their inputs to `moments` and divide by the batch's statistics; their buffers do not change."""

    def normalized(norm: Any, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        inputs = arguments[0]
        moments[norm].add(inputs)
        return functional.batch_norm(inputs, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)

    # The value that a forward hook returns replaces the output of its module.
    hooks = [norm.register_forward_hook(normalized) for norm in moments]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def write_statistics(norm: Any, found: Moments) -> None:
    """Writes the mean and the unbiased variance, or, for batch renorm, sqrt(biased variance + eps)."""
    norm.running_mean.copy_(found.mean)
    if isinstance(norm, BatchRenorm):
        norm.running_std.copy_((found.variance(correction=0) + norm.eps).sqrt())
    else:
        norm.running_var.copy_(found.variance(correction=1))
