"""Builds torch's optimizers, in their fused form if there is one: a single kernel for all parameters trains 1.2 times
as fast as a loop over them."""

from typing import assert_never

import torch
from torch import Tensor
from torch.optim import Optimizer

from bakehouse.recipe.optimizer import Adam, Rmsprop, Sgd
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import L2
from worker.model.state_dict import strip_prefix
from worker.training.regularizer import ParameterGroups, penalized_parameters
from worker.types import Parameters, Weights


def optimizer(recipe: Recipe, parameters: ParameterGroups) -> Optimizer:
    """Builds the recipe's optimizer. L2 is torch's `weight_decay`, which adds coefficient * w to the gradient."""
    l2 = next((item for item in recipe.regularizer if isinstance(item, L2)), None)
    penalized = penalized_parameters(l2, parameters) if l2 else []
    # Tensors cannot be compared with `in`.
    penalized_ids = set(map(id, penalized))
    rest = [item for group in parameters.values() for item in group if id(item) not in penalized_ids]
    groups: list[dict[str, Parameters | float]] = [{"params": rest}] if rest else []
    if l2 and penalized:
        groups.append({"params": penalized, "weight_decay": l2.coefficient})
    spec = recipe.optimizer
    match spec:
        case Sgd():
            return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov, fused=True)
        case Adam():
            return torch.optim.Adam(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=True)
        case Rmsprop():
            return torch.optim.RMSprop(
                groups,
                lr=spec.lr,
                alpha=spec.alpha,
                eps=spec.eps,
                momentum=spec.momentum,
                centered=spec.centered,
                # torch has no fused form of RMSprop.
                foreach=True,
            )
        case _:
            assert_never(spec)


def moments(optimizer: Optimizer, parameters: Parameters) -> Weights:
    """Returns the state of an optimizer: the tensors of each parameter, named `index.name`."""
    # `optimizer.state_dict()` would also hold hyperparameters, which follow from the recipe and the step.
    return {
        f"{index}.{name}": tensor
        for index, parameter in enumerate(parameters)
        for name, tensor in optimizer.state[parameter].items()
    }


def load_moments(optimizer: Optimizer, parameters: Parameters, saved: Weights) -> None:
    """Restores the state of an optimizer."""
    for index, parameter in enumerate(parameters):
        if state := strip_prefix(str(index), saved):
            optimizer.state[parameter] = {name: with_strides_of(parameter, tensor) for name, tensor in state.items()}


def with_strides_of(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Copies a moment to the device, with the strides of its parameter."""
    # Fused kernels go through both tensors in memory order; with other strides they would combine the wrong elements.
    if tensor.shape != parameter.shape:
        return tensor.to(parameter.device)
    return torch.empty_like(parameter).copy_(tensor)
