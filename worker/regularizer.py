"""Penalties, decay and constraints on weights, in torch.

L2 is not here: it is the optimizer's `weight_decay` (worker/optimizer.py).
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import L1, L2, MaxNorm, WeightDecay
from worker.types import GradientChange, Parameters, Projection

Role = Literal["weights", "biases", "norms"]
Roles = dict[Role, Parameters]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.LayerNorm, nn.GroupNorm)


def roles(model: nn.Module) -> Roles:
    """The model's parameters by what they are."""
    found: Roles = {"weights": [], "biases": [], "norms": []}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            role: Role = "norms" if isinstance(module, NORMS) else "biases" if name == "bias" else "weights"
            found[role].append(parameter)
    return found


def chosen(spec: L1 | L2 | WeightDecay, roles: Roles) -> Parameters:
    """The parameters that a penalty or decay looks at."""
    biases = roles["biases"] if spec.include_biases else []
    norms = roles["norms"] if spec.include_norms else []
    return [*roles["weights"], *biases, *norms]


def gradient_changes(recipe: Recipe, roles: Roles) -> Iterator[GradientChange]:
    """What is added to gradients before the step."""
    for spec in recipe.regularizer:
        if isinstance(spec, L1) and spec.method == "subgradient":
            yield partial(add_signs, chosen(spec, roles), spec.coefficient)


def before_step(recipe: Recipe, roles: Roles) -> Iterator[Projection]:
    """What happens to weights before the optimizer's step."""
    for spec in recipe.regularizer:
        if isinstance(spec, WeightDecay):
            yield partial(decay, chosen(spec, roles), spec.coefficient)


def after_step(recipe: Recipe, roles: Roles) -> Iterator[Projection]:
    """What happens to weights after it."""
    for spec in recipe.regularizer:
        match spec:
            case L1(method="proximal"):
                yield partial(soften, chosen(spec, roles), spec.coefficient)
            case MaxNorm():
                yield partial(limit_norms, roles["weights"], spec.maxnorm)
            case L1() | L2() | WeightDecay():
                pass
            case _:
                assert_never(spec)


@torch.no_grad()
def add_signs(parameters: Parameters, coefficient: float, _: float) -> None:
    """g <- g + coefficient sign(w)."""
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.grad.add_(parameter.sign(), alpha=coefficient)


@torch.no_grad()
def decay(parameters: Parameters, coefficient: float, lr: float) -> None:
    """w <- w (1 - lr coefficient). arXiv 1711.05101, algorithm 2."""
    torch._foreach_mul_(list[Tensor](parameters), 1 - lr * coefficient)


@torch.no_grad()
def soften(parameters: Parameters, coefficient: float, lr: float) -> None:
    """w <- sign(w) max(|w| - lr coefficient, 0): the proximal operator of the L1 norm."""
    for parameter in parameters:
        parameter.copy_(torch.nn.functional.softshrink(parameter, lr * coefficient))


@torch.no_grad()
def limit_norms(parameters: Parameters, maxnorm: float, _: float) -> None:
    """Each unit's incoming weights scaled to length `maxnorm` where longer."""
    for parameter in parameters:
        parameter.copy_(torch.renorm(parameter, 2, 0, maxnorm))
