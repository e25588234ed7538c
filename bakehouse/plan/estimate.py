"""Parameters, memory and arithmetic of a plan, from its shapes alone."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import assert_never

from bakehouse.plan.layers import (
    MASK_NUMBERS,
    Activation,
    Conv,
    Denormalize,
    DenseConcat,
    DropConnect,
    Dropout,
    Exponential,
    Flatten,
    Heads,
    Layer,
    Linear,
    Norm,
    Normalize,
    Pool,
    Primitive,
    Recurrent,
    Residual,
    Rows,
    Sequential,
    Subsample,
    walk,
)
from bakehouse.recipe.norm import CrossIterationBatchNorm, LayerNorm
from bakehouse.recipe.optimizer import Adam, Rmsprop, Sgd
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import WeightNoise

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
    # Weight noise is drawn beside a copy of the clean weights.
    noise = 2 * any(isinstance(item, WeightNoise) for item in recipe.regularizer)
    copies = 2 + optimizer_copies(recipe) + noise
    numbers = copies * learned + masks(recipe.batch_size, layers) + histories(layers)
    numbers += 2 * recipe.batch_size * passes(recipe) * activations(root)
    memory = FLOAT_BYTES * numbers + data_bytes + whitening_bytes(layers)
    return Estimate(learned, sum(flops(layer) for layer in layers), memory)


def passes(recipe: Recipe) -> int:
    """Forward passes in training mode of which a step keeps the activations: clean and adversarial inputs have one
    each."""
    attack = recipe.objective.adversarial
    return 1 if attack is None or attack.weight == 1 else 2


def activations(layer: Layer) -> int:
    """Numbers that the layers give for one sample."""
    match layer:
        case Sequential(children):
            return sum(activations(child) for _, child in children)
        case Residual(body, shortcut):
            return activations(body) + (0 if shortcut is None else activations(shortcut))
        case DenseConcat(body):
            return activations(body) + prod(layer.output)
        case Heads():
            return 2 * layer.output[0]
        case Recurrent():
            # Of each step the summed inputs of all gates, before and behind their activation, and the state; measured,
            # a norm adds no more than torch's own cells keep besides.
            return layer.input[0] * (2 * layer.gates + layer.hidden_size)
        case _:
            return prod(layer.output)


def masks(batch_size: int, layers: list[Primitive]) -> int:
    """Numbers while the weights of a drop_connect are masked: the masks and two products with them."""
    sizes = [layer.input[0] * layer.output[0] for layer in layers if isinstance(layer, DropConnect)]
    return 3 * max((max(size, min(batch_size * size, MASK_NUMBERS)) for size in sizes), default=0)


def histories(layers: list[Primitive]) -> int:
    """Slopes and offsets of earlier iterations: two numbers a channel, one a weight, and the mean inputs of a group."""
    total = 0
    for affine, layer in pairwise(layers):
        if isinstance(layer, Norm) and isinstance(layer.spec, CrossIterationBatchNorm):
            means = parameters(affine) * (affine.groups if isinstance(affine, Conv) else 1) // layer.input[0]
            total += (layer.spec.window - 1) * (parameters(affine) + means + 2 * layer.input[0])
    return total


def whitening_bytes(layers: list[Primitive]) -> int:
    """The matrix; and, while it is fitted, a covariance, its vectors and their product in 64 bits."""
    matrices = [prod(layer.statistics) ** 2 for layer in layers if isinstance(layer, Normalize) and layer.whitens]
    return sum((FLOAT_BYTES + 3 * 8) * size for size in matrices)


def optimizer_copies(recipe: Recipe) -> int:
    """Numbers that the optimizer keeps for each parameter."""
    match recipe.optimizer:
        case Sgd(momentum=momentum):
            return 1 if momentum else 0
        case Adam():
            return 2
        case Rmsprop(momentum=momentum, centered=centered):
            return 1 + (momentum > 0) + centered
        case _:
            assert_never(recipe.optimizer)


def parameters(layer: Primitive) -> int:
    """Learned numbers of one layer."""
    match layer:
        case Linear(bias=bias) | DropConnect(bias=bias):
            return layer.output[0] * (layer.input[0] + bias)
        case Conv(kernel_size=side, bias=bias):
            return layer.output[0] * (layer.input[0] // layer.groups * side * side + bias)
        case Recurrent():
            return layer.gates * (layer.input[1] + layer.hidden_size + len(layer.biases))
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
        case DropConnect():
            return 4 * layer.input[0] * layer.output[0] + (0 if layer.activation is None else 128 * layer.output[0])
        case Conv(kernel_size=side):
            return 2 * prod(layer.output) * layer.input[0] // layer.groups * side * side
        case Recurrent():
            # The norms inside count one step of their own.
            steps, normalized = layer.input[0], sum(8 * norm.input[0] for _, norm in layer.norms)
            products = 2 * layer.gates * (layer.input[1] + layer.hidden_size)
            return steps * (products + 4 * layer.gates) + (steps - 1) * normalized
        case Norm():
            return 8 * prod(layer.input)
        case Pool(size=size):
            return prod(layer.output) * size * size if layer.is_local else prod(layer.input)
        case Normalize(whitens=True):
            return 2 * prod(layer.input) * (1 + prod(layer.statistics))
        case Normalize() | Denormalize() | Exponential() | Dropout() | Activation():
            return 2 * prod(layer.input)
        case Flatten() | Rows() | Subsample():
            return 0
        case _:
            assert_never(layer)
