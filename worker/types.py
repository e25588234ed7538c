"""The callables that ingredients are made of; the training loop composes them."""

from collections.abc import Callable

from torch import Generator, Tensor, nn

Transform = Callable[[Tensor, Generator], Tensor]
"""Batch transform: (inputs, generator) -> inputs of the same shape."""

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

Parameters = list[nn.Parameter]
