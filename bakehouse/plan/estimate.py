"""Estimates parameters, memory and arithmetic of a plan from its shapes alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import assert_never

from bakehouse.plan.layers import (
    KEPT_MASKS,
    MASK_NUMBERS,
    Activation,
    Conv,
    Denormalize,
    DenseConcat,
    DropConnect,
    Dropout,
    EncodeColumns,
    Flatten,
    Heads,
    Layer,
    Norm,
    Normalize,
    Pool,
    Primitive,
    Recurrent,
    Residual,
    Sequential,
    Subsample,
    Units,
    walk,
)
from bakehouse.recipe.dropout import SpatialDropout
from bakehouse.recipe.norm import CrossIterationBatchNorm
from bakehouse.recipe.optimizer import Adam, Rmsprop, Sgd
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import WeightNoise

FLOAT_BYTES = 4
PROCESS_BYTES = 16 << 20
"""Memory that a training process takes for any recipe, for example for blocks of rows while it loads the data."""
EVALUATED_ROWS = 128
"""Number of rows of a batch in evaluation, as in `worker.data.batches`."""
BATCH_COPIES = 5
"""Number of copies of a batch's inputs while the next ones are gathered, normalised and laid out."""
SCATTERED_EVEN, SCATTERED_UNEVEN = 1.25, 1.4
"""Growth of the memory of activations because buffers of other sizes are placed between those that are free; it is
larger if the last batch of an epoch is smaller than the others. As measured by bench/memory.py, where the memory of one
recipe varies by 15 % between runs."""
GATES_KEPT = {"elman": 2, "gru": 8, "lstm": 17}
"""Number of values that torch keeps of each unit of a recurrent layer and each step."""
SAVED_OUTPUTS = ("relu", "tanh", "sigmoid")
"""The activations whose gradient torch computes from their output; that of the others needs their input."""


@dataclass(frozen=True)
class Estimate:
    """The cost of training, estimated before anything is built."""

    parameters: int
    """Number of learned values."""
    flops_per_sample: int
    """Number of operations in a forward pass of one sample, where a multiplication and an addition count as two.
    Training takes about three times as many."""
    memory_bytes: int
    """Bytes that a training process needs: the weights, gradients and optimizer state, their copies while they are
    written, one batch's activations, the data, and a part that does not depend on the recipe."""


def estimate(recipe: Recipe, root: Layer, data_bytes: int, *, rows: int) -> Estimate:
    """Sums the cost over the layers; `rows` is the number of rows of an epoch."""
    layers = [layer for _, layer in walk(root)]
    learned = sum(layer.parameters for layer in layers)
    # Weight noise is drawn beside a copy of the clean weights.
    noise = 2 * bool(recipe.find(WeightNoise))
    batch = min(rows, recipe.batch_size)
    numbers = round((copies(recipe) + noise) * learned) + masks(batch, layers) + histories(layers)
    passes_bytes = largest_pass(recipe, root, batch=batch, is_uneven=rows % batch > 0)
    memory = FLOAT_BYTES * numbers + passes_bytes + data_bytes + whitening_bytes(layers) + PROCESS_BYTES
    return Estimate(learned, sum(layer.flops for layer in layers), memory)


def copies(recipe: Recipe) -> float:
    """Returns how many numbers there are for each parameter while a resume state is written: weights, gradients, best
    weights and state, and their copies and bytes, not all of which are held at the same time. As measured by
    bench/memory.py."""
    return 11.5 + 1.5 * optimizer_copies(recipe)


def largest_pass(recipe: Recipe, root: Layer, *, batch: int, is_uneven: bool) -> int:
    """Returns the bytes of activations and their gradients in a step, or in evaluation if that needs more; `is_uneven`
    says whether the last batch is smaller than the others."""
    number_bytes = 2 if recipe.precision == "bfloat16" else FLOAT_BYTES
    numbers = list(tensors(root))
    # Only the gradients of one pass are computed at a time.
    earlier = (passes(recipe) - 1) * sum(kept for kept, _ in numbers)
    scattered = SCATTERED_UNEVEN if is_uneven else SCATTERED_EVEN
    step = number_bytes * batch * (activations(numbers) + earlier)
    evaluated = FLOAT_BYTES * EVALUATED_ROWS * max(transient for _, transient in numbers)
    # The first layer may turn a column into many features.
    first, *_ = (layer for _, layer in walk(root))
    inputs = BATCH_COPIES * FLOAT_BYTES * batch * max(prod(first.input), prod(first.output))
    return round(scattered * max(step, evaluated)) + inputs


def passes(recipe: Recipe) -> int:
    """Returns the number of forward passes per step whose activations are kept: one for clean inputs, and one for
    adversarial inputs."""
    attack = recipe.objective.adversarial
    return 1 if attack is None or attack.weight == 1 else 2


def activations(numbers: Iterable[tuple[int, int]]) -> int:
    """Returns how many numbers a step holds for one sample at most: those that earlier layers keep for the backward
    pass, and those that the present layer needs for a moment. `numbers` are those of `tensors`."""
    held = 0
    most = 0
    for kept, transient in numbers:
        held += kept
        most = max(most, held + transient)
    return most


def tensors(layer: Layer, *, is_kept: bool = False) -> Iterator[tuple[int, int]]:
    """Yields for each layer in the order of the forward pass how many numbers it keeps for the backward pass, and how
    many it needs for a moment. `is_kept` says whether the next layer keeps its input, which is this layer's output."""
    size = prod(layer.output)
    match layer:
        case Sequential(children):
            followers = [saves_input(child) for _, child in children[1:]]
            for (_, child), follows in zip(children, [*followers, is_kept], strict=True):
                yield from tensors(child, is_kept=follows)
        case Residual(body, shortcut):
            parts = (body,) if shortcut is None else (body, shortcut)
            for part in parts:
                # The gradient of the sum waits for the other part.
                yield from ((kept, transient + size) for kept, transient in tensors(part))
            yield size * is_kept, size
        case DenseConcat(body):
            yield from ((kept, transient + size) for kept, transient in tensors(body))
            yield size * is_kept, size + prod(layer.input)
        case Recurrent():
            # The gradients of the summed inputs of all gates at all steps.
            yield kept_numbers(layer, is_kept=is_kept), layer.input[0] * layer.gates
        case _:
            yield kept_numbers(layer, is_kept=is_kept), workspace(layer) * (size + prod(layer.input))


def workspace(layer: Primitive | Heads | Units) -> int:
    """Returns how often a layer holds its inputs and outputs while it computes."""
    match layer:
        case Normalize():
            return 1
        case EncodeColumns():
            # Features have 64 bits until they are scaled; several copies of them are held at a time.
            return 4
        case Conv():
            # Besides the gradients, copies in the order that the kernel works on.
            return 3
        case _:
            # The gradients are held beside the values.
            return 2


def kept_numbers(layer: Primitive | Heads | Units, *, is_kept: bool) -> int:
    """Returns how many numbers of a sample a layer keeps for the backward pass."""
    size = prod(layer.output)
    match layer:
        case Activation(name="maxout") | Pool(kind="max"):
            # The positions of the largest are numbers of 64 bits.
            return size * (2 + is_kept)
        case Activation(name=name):
            return size * (is_kept or name in SAVED_OUTPUTS)
        case Dropout(spec=spec):
            mask = layer.output[0] if isinstance(spec, SpatialDropout) else size
            return mask + size * is_kept
        case Recurrent():
            # In measurements, a cell with norms kept no more than torch's own.
            return layer.input[0] * (GATES_KEPT[layer.cell] * layer.hidden_size + layer.input[1])
        case Normalize() | EncodeColumns():
            # The batch is normalised before the step.
            return 0
        case _:
            return size * is_kept


def saves_input(layer: Layer) -> bool:
    """Whether the gradient of a layer needs its input."""
    match layer:
        case Sequential(children):
            return saves_input(children[0][1])
        case Residual(body, shortcut):
            return saves_input(body) or (shortcut is not None and saves_input(shortcut))
        case DenseConcat(body):
            return saves_input(body)
        case Activation(name=name):
            return name not in (*SAVED_OUTPUTS, "maxout")
        case Flatten() | Pool(kind="global_max" | "global_average") | Dropout() | Subsample() | Denormalize() | Units():
            return False
        case _:
            return True


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
    matrices = [
        prod(layer.statistics) ** 2
        for layer in layers
        if isinstance(layer, Normalize | EncodeColumns) and layer.whitens
    ]
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
