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

Schedule = Callable[[int], float]
"""Step, from 0 -> learning rate."""

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
    """What a resumed run must know and the number of the step does not tell."""

    def state(self) -> dict[str, Any]:
        """JSON values and tensors, copied when they are saved."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes them up; tensors come on the CPU."""
