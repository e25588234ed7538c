"""The callables that ingredients are made of; the training loop composes them."""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Generator, Tensor, nn

Batch = tuple[Tensor, Tensor]
"""Inputs and targets; targets may be soft: shares of classes (N, k), or (N,) of class 1 for one output."""

Transform = Callable[[Tensor, Generator], Tensor]
"""Batch transform: (inputs, generator) -> inputs of the same shape."""

Mixing = Callable[[Tensor, Tensor, Generator], Batch]
"""Batch transform that makes one sample of two: (inputs, targets, generator) -> both, of the same shape or soft."""

Objective = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> mean loss of the batch, a scalar."""

Penalty = Callable[[Tensor, Tensor], Tensor]
"""(inputs, outputs) -> what is added to the objective, a scalar."""

GradientChange = Callable[[float], None]
"""Changes gradients before the optimizer's step; takes the step's learning rate."""

Projection = Callable[[float], None]
"""Changes weights before or after the optimizer's step; takes the step's learning rate."""

Model = Callable[[Tensor], Tensor]
"""Forward pass: a module, or a compiled one."""

Criterion = Callable[[Model, Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(forward pass, inputs, targets, step) -> (outputs, what the step lowers without penalties, a scalar)."""

Subset = Callable[[int], Tensor]
"""Step -> the numbers of the training rows that it may learn from, in rising order."""

Parameters = list[nn.Parameter]

Weights = dict[str, Tensor]
"""Parameters and buffers by their names in the state dict."""


class Stateful(Protocol):
    """A component that a resumed run must restore, because the number of the step does not determine it."""

    def state_dict(self) -> dict[str, Any]:
        """JSON values and tensors, which are copied when they are saved."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores them; tensors are on the CPU."""
