"""Defines the types that ingredients and the training loop exchange.

All work that takes long is a generator, which yields after each batch or other unit of work, so that the caller can
save, stop or renew a lease in between.
"""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Generator, Tensor, nn

Batch = tuple[Tensor, Tensor]
"""A pair of inputs and targets. Targets may be soft: probabilities (N, k) of all classes, or (N,) of class 1 alone."""

Transform = Callable[[Tensor, Generator], Tensor]
"""A function that transforms a batch: (inputs, generator) -> inputs of the same shape."""

Mixing = Callable[[Tensor, Tensor, Generator], Batch]
"""A function that mixes pairs of samples: (inputs, targets, generator) -> inputs and soft targets."""

Objective = Callable[[Tensor, Tensor], Tensor]
"""A function (outputs, targets) -> the mean loss of the batch, a scalar."""

Penalty = Callable[[Tensor, Tensor], Tensor]
"""A function (inputs, outputs) -> a scalar that is added to the objective."""

GradientChange = Callable[[float], None]
"""A function that changes gradients before the optimizer's step; takes the step's learning rate."""

Projection = Callable[[float], None]
"""A function that changes weights before or after the optimizer's step; takes the step's learning rate."""

Model = Callable[[Tensor], Tensor]
"""A forward pass: a module, or a compiled function."""

Criterion = Callable[[Model, Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""A function (forward pass, inputs, targets, step) -> (outputs, objective of the step without penalties, a scalar)."""

Subset = Callable[[int], Tensor]
"""A function from a step to the indexes of the training rows that it may learn from, in ascending order."""

Parameters = list[nn.Parameter]

Weights = dict[str, Tensor]
"""Parameters and buffers by their names in the state dict."""

State = dict[str, Any]
"""The state of a component: JSON values and tensors by name."""


class Stateful(Protocol):
    """A component whose state a resumed run must restore, because it does not follow from the step's number."""

    def state_dict(self) -> State:
        """Returns the state as JSON values and tensors, which the caller copies before it saves them."""

    def load_state_dict(self, state: State) -> None:
        """Restores a state, whose tensors are on the CPU."""
