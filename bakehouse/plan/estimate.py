"""Parameters, memory and arithmetic of a plan, from its shapes alone."""

from dataclasses import dataclass
from math import prod
from typing import assert_never

from bakehouse.plan.layers import (
    Activation,
    Conv,
    Denormalize,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Norm,
    Normalize,
    Pool,
    Primitive,
    Subsample,
    walk,
)
from bakehouse.recipe.norm import LayerNorm
from bakehouse.recipe.optimizer import Adam, Sgd
from bakehouse.recipe.recipe import Recipe

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Estimate:
    """What training costs, before anything is built."""

    parameters: int
    """Learned numbers."""
    flops_per_sample: int
    """Forward pass; a multiplication and an addition count as two. Training takes about three times this."""
    memory_bytes: int
    """Weights, gradients, optimizer, one batch's activations, and the data."""


def estimate(recipe: Recipe, root: Layer, data_bytes: int) -> Estimate:
    """Sums over the layers; twice the activations, since their gradients live beside them."""
    layers = [layer for _, layer in walk(root)]
    learned = sum(parameters(layer) for layer in layers)
    activations = sum(prod(layer.output) for layer in layers)
    copies = 2 + optimizer_copies(recipe)
    memory = FLOAT_BYTES * (copies * learned + 2 * recipe.batch_size * activations) + data_bytes
    return Estimate(learned, sum(flops(layer) for layer in layers), memory)


def optimizer_copies(recipe: Recipe) -> int:
    """Numbers that the optimizer keeps for each parameter."""
    match recipe.optimizer:
        case Sgd(momentum=momentum):
            return 1 if momentum else 0
        case Adam():
            return 2
        case _:
            assert_never(recipe.optimizer)


def parameters(layer: Primitive) -> int:
    """Learned numbers of one layer."""
    match layer:
        case Linear(bias=bias):
            return layer.output[0] * (layer.input[0] + bias)
        case Conv(kernel_size=side, bias=bias):
            return layer.output[0] * (layer.input[0] * side * side + bias)
        case Norm(spec=LayerNorm(elementwise_affine=affine)):
            return 2 * prod(layer.input) * affine
        case Norm(spec=spec) if not isinstance(spec, LayerNorm):
            return 2 * layer.input[0] * spec.affine
        case _:
            return 0


def flops(layer: Primitive) -> int:
    """Floating-point operations of a forward pass, for one sample."""
    match layer:
        case Linear():
            return 2 * layer.input[0] * layer.output[0]
        case Conv(kernel_size=side):
            return 2 * prod(layer.output) * layer.input[0] * side * side
        case Norm():
            return 8 * prod(layer.input)
        case Pool(size=size, kind=kind):
            return prod(layer.input) if kind == "global_average" else prod(layer.output) * size * size
        case Normalize() | Denormalize() | Dropout() | Activation():
            return 2 * prod(layer.input)
        case Flatten() | Subsample():
            return 0
        case _:
            assert_never(layer)
