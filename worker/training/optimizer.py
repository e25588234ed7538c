"""Optimizers in torch, fused where torch has that: one kernel for all parameters (1.2 times the speed of the loop
over them)."""

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


def optimizer(recipe: Recipe, roles: ParameterGroups) -> Optimizer:
    """L2 is the optimizers' own `weight_decay`: coefficient * w added to the gradient."""
    l2 = next((item for item in recipe.regularizer if isinstance(item, L2)), None)
    penalised = penalized_parameters(l2, roles) if l2 else []
    rest = [parameter for group in roles.values() for parameter in group if all(parameter is not p for p in penalised)]
    groups: list[dict[str, Parameters | float]] = [{"params": rest}] if rest else []
    if l2 and penalised:
        groups.append({"params": penalised, "weight_decay": l2.coefficient})
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
                foreach=True,
            )
        case _:
            assert_never(spec)


def moments(optimizer: Optimizer, parameters: Parameters) -> Weights:
    """What an optimizer keeps, as `index.name`."""
    return {
        f"{index}.{name}": tensor
        for index, parameter in enumerate(parameters)
        for name, tensor in optimizer.state[parameter].items()
    }


def load_moments(optimizer: Optimizer, parameters: Parameters, saved: Weights) -> None:
    """Takes them up."""
    for index, parameter in enumerate(parameters):
        if found := strip_prefix(str(index), saved):
            optimizer.state[parameter] = {name: like(tensor, parameter) for name, tensor in found.items()}


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Moments get the strides of their parameter: fused kernels walk both in memory order and would mix
    them up silently otherwise."""
    if tensor.shape != parameter.shape:
        return tensor.to(parameter.device)
    return torch.empty_like(parameter).copy_(tensor)
