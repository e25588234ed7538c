"""The types that ingredients and the training loop exchange.

Work that takes long is a generator throughout: it yields after each batch or other unit of work, so that the caller can
save, stop or renew a lease in between.
"""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Generator, Tensor, nn

Batch = tuple[Tensor, Tensor]
"""Inputs and targets. Targets may be soft: a probability for each class, (N, k), or of class 1 alone, (N,)."""

Transform = Callable[[Tensor, Generator], Tensor]
"""Batch transform: (inputs, generator) -> inputs of the same shape."""

Mixing = Callable[[Tensor, Tensor, Generator], Batch]
"""Batch transform that mixes two samples into one: (inputs, targets, generator) -> inputs and soft targets."""

Objective = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> mean loss of the batch, a scalar."""

Penalty = Callable[[Tensor, Tensor], Tensor]
"""(inputs, outputs) -> a scalar that is added to the objective."""

GradientChange = Callable[[float], None]
"""Changes gradients before the optimizer's step; takes the step's learning rate."""

Projection = Callable[[float], None]
"""Changes weights before or after the optimizer's step; takes the step's learning rate."""

Model = Callable[[Tensor], Tensor]
"""Forward pass: a module, or a compiled one."""

Criterion = Callable[[Model, Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(forward pass, inputs, targets, step) -> (outputs, the objective of the step without penalties, a scalar)."""

Subset = Callable[[int], Tensor]
"""Step -> indexes of the training rows that it may learn from, in rising order."""

Parameters = list[nn.Parameter]

Weights = dict[str, Tensor]
"""Parameters and buffers by their names in the state dict."""


class Stateful(Protocol):
    """A component that a resumed run must restore, because the number of the step does not determine it."""

    def state_dict(self) -> dict[str, Any]:
        """Returns JSON values and tensors. Tensors are copied when they are saved."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state, whose tensors are on the CPU."""
