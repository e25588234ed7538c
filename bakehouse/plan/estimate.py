"""Estimates parameters, memory and arithmetic of a plan from its shapes alone."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import assert_never

from bakehouse.plan.layers import (
    KEPT_MASKS,
    MASK_NUMBERS,
    Conv,
    DenseConcat,
    DropConnect,
    Heads,
    Layer,
    Norm,
    Normalize,
    Primitive,
    Recurrent,
    Residual,
    Sequential,
    walk,
)
from bakehouse.recipe.norm import CrossIterationBatchNorm
from bakehouse.recipe.optimizer import Adam, Rmsprop, Sgd
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import WeightNoise

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Estimate:
    """The cost of training, estimated before anything is built."""

    parameters: int
    """Number of learned values."""
    flops_per_sample: int
    """Number of operations in a forward pass of one sample, where a multiplication and an addition count as two.
    Training takes about three times as many."""
    memory_bytes: int
    """Bytes of the weights, gradients, optimizer state, one batch's activations, and the data."""


def estimate(recipe: Recipe, root: Layer, data_bytes: int) -> Estimate:
    """Sums the cost over the layers. Activations count twice, because their gradients are in memory too."""
    layers = [layer for _, layer in walk(root)]
    learned = sum(layer.parameters for layer in layers)
    # Weight noise is drawn beside a copy of the clean weights.
    noise = 2 * bool(recipe.find(WeightNoise))
    # The 2 stands for the weights and their gradients.
    copies = 2 + optimizer_copies(recipe) + noise
    numbers = copies * learned + masks(recipe.batch_size, layers) + histories(layers)
    numbers += 2 * recipe.batch_size * passes(recipe) * activations(root)
    memory = FLOAT_BYTES * numbers + data_bytes + whitening_bytes(layers)
    return Estimate(learned, sum(layer.flops for layer in layers), memory)


def passes(recipe: Recipe) -> int:
    """Returns the number of forward passes per step whose activations are kept: one for clean inputs, and one for
    adversarial inputs."""
    attack = recipe.objective.adversarial
    return 1 if attack is None or attack.weight == 1 else 2


def activations(layer: Layer) -> int:
    """Returns how many numbers the layers compute for one sample and keep for the backward pass."""
    match layer:
        case Sequential(children):
            return sum(activations(child) for _, child in children)
        case Residual(body, shortcut):
            return activations(body) + (0 if shortcut is None else activations(shortcut))
        case DenseConcat(body):
            return activations(body) + prod(layer.output)
        case Heads():
            # Each output is kept once by its head and once in the concatenation.
            return 2 * layer.output[0]
        case Recurrent():
            # Each step keeps the summed inputs of all gates, before and after their activation, and the state. In
            # measurements, a cell with norms kept no more than torch's own.
            return layer.input[0] * (2 * layer.gates + layer.hidden_size)
        case _:
            return prod(layer.output)


def masks(batch_size: int, layers: list[Primitive]) -> int:
    """Returns how many numbers drop_connect keeps: the masks of a batch, unless they are drawn twice; and while it
    masks weights, these masks and two products with them."""
    sizes = [layer.input[0] * layer.output[0] for layer in layers if isinstance(layer, DropConnect)]
    kept = sum(batch_size * size // FLOAT_BYTES for size in sizes if batch_size * size <= KEPT_MASKS)
    return kept + 3 * max((max(size, min(batch_size * size, MASK_NUMBERS)) for size in sizes), default=0)


def histories(layers: list[Primitive]) -> int:
    """Returns how many numbers cross-iteration batch norms keep of earlier iterations: two for each channel, one for
    each weight, and the mean inputs of each group."""
    total = 0
    for affine, layer in pairwise(layers):
        # `affine` has weights: the check norm_follows_weights refuses a recipe in which it has none.
        if isinstance(layer, Norm) and isinstance(layer.spec, CrossIterationBatchNorm):
            means = affine.parameters * (affine.groups if isinstance(affine, Conv) else 1) // layer.input[0]
            total += (layer.spec.window - 1) * (affine.parameters + means + 2 * layer.input[0])
    return total


def whitening_bytes(layers: list[Primitive]) -> int:
    """Returns the bytes of the whitening matrix and, while it is fitted, of the covariance matrix, its eigenvectors and
    their product in 64 bits."""
    matrices = [prod(layer.statistics) ** 2 for layer in layers if isinstance(layer, Normalize) and layer.whitens]
    return sum((FLOAT_BYTES + 3 * 8) * size for size in matrices)


def optimizer_copies(recipe: Recipe) -> int:
    """Returns how many numbers the optimizer keeps for each parameter."""
    match recipe.optimizer:
        case Sgd(momentum=momentum):
            return 1 if momentum else 0
        case Adam():
            return 2
        case Rmsprop(momentum=momentum, centered=centered):
            # Torch always keeps the mean square, but the momentum and the mean gradient only if they are used.
            return 1 + (momentum > 0) + centered
        case _:
            assert_never(recipe.optimizer)
