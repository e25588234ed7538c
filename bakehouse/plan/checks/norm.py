"""Refuses norms that cannot work where they are."""

from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

from bakehouse.plan import layers
from bakehouse.plan.context import Context, check
from bakehouse.plan.defaults import places
from bakehouse.plan.layers import Conv, DenseConcat, Dropout, Layer, Norm, Residual, Sequential, walk
from bakehouse.recipe.architecture import Cnn, Rnn
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import (
    BATCH_NORMS,
    CrossIterationBatchNorm,
    GroupNorm,
    InstanceNorm,
    NormLayer,
)
from bakehouse.recipe.problems import Problem, conflict

OTHERS = tuple(kind.model_fields["type"].default for kind in get_args(NormLayer) if kind is not CrossIterationBatchNorm)


@check("recipe")
def norm_order_is_free(context: Context) -> Iterator[Problem]:
    """Refuses a norm after the activation in an architecture that is defined with the norm before it."""
    architecture = context.recipe.architecture
    norm = context.recipe.norm
    if architecture.norm_comes_first and not isinstance(norm, Off) and norm.placement == "after_activation":
        parts = "cells" if isinstance(architecture, Rnn) else "blocks"
        message = f"{architecture.type} is made of {parts} with the norm before the activation"
        yield conflict("/norm/placement", message, ("before_activation",))


@check("recipe")
def norm_fits_cell(context: Context) -> Iterator[Problem]:
    """Refuses norms that cannot work inside a recurrent cell."""
    norm = context.recipe.norm
    if not isinstance(context.recipe.architecture, Rnn) or isinstance(norm, Off) or norm.inside_cells:
        return
    if isinstance(norm, InstanceNorm):
        why = "normalises each channel over its pixels, but in a recurrent cell a channel is a single number"
    else:
        why = "needs weights that are used once per batch, but a recurrent cell uses its weights at every time step"
    fitting = (kind.model_fields["type"].default for kind in get_args(NormLayer) if kind.inside_cells)
    yield conflict("/norm/type", f"{norm.type} {why}", ("none", *fitting))


@check("recipe")
def norm_is_not_compiled(context: Context) -> Iterator[Problem]:
    """Refuses to compile cross_iteration_batch_norm, whose count of iterations a compiler takes for a constant."""
    if isinstance(context.recipe.norm, CrossIterationBatchNorm) and context.recipe.compile == "on":
        message = f"{context.recipe.norm.type} keeps results of earlier steps, which would make a compiler start "
        yield conflict("/compile", message + "again at each step", ("auto", "off"))


@check("recipe")
def batches_have_statistics(context: Context) -> Iterator[Problem]:
    """Refuses batch norm if any batch of an epoch has a single row, whose variance is zero."""
    norm = context.recipe.norm
    rows = context.epoch_rows
    size = context.recipe.batch_size
    smallest = rows % size or size
    if not isinstance(norm, BATCH_NORMS) or smallest > 1:
        return
    near = sorted(range(2, min(2 * size + 3, rows + 1)), key=lambda n: abs(n - size))
    allowed = tuple(str(size) for size in near if rows % size != 1)[:2]
    last = "every" if size == 1 else "the last"
    message = f"{norm.type} has no variance to divide by: {last} batch of {rows:,} training rows has one row"
    yield conflict("/batch_size", message, allowed)


@check("layers")
def norm_has_a_place(context: Context) -> Iterator[Problem]:
    """Refuses a norm for a model without hidden layers to normalise."""
    if not isinstance(context.recipe.norm, Off) and not norms(context.root):
        message = f"{context.recipe.architecture.type} has no hidden layers to normalise"
        yield conflict("/norm/type", message, ("none",))


@check("layers")
def groups_divide(context: Context) -> Iterator[Problem]:
    """Refuses a number of groups that does not divide the channels of every layer."""
    if not isinstance(context.recipe.norm, GroupNorm):
        return
    groups = context.recipe.norm.num_groups
    channels = sorted({layer.input[0] for _, layer in norms(context.root)})
    odd = [count for count in channels if count % groups]
    if odd:
        # One channel per group is instance norm, which would turn every feature of a table into zero.
        common = [n for n in range(1, max(channels[0], 2)) if all(count % n == 0 for count in channels)]
        yield conflict("/norm/num_groups", f"{groups} groups do not divide {odd[0]} channels", tuple(map(str, common)))


@check("layers")
def norm_follows_weights(context: Context) -> Iterator[Problem]:
    """Refuses cross_iteration_batch_norm unless a linear layer or a convolution is directly before each norm."""
    recipe = context.recipe
    if not isinstance(recipe.norm, CrossIterationBatchNorm):
        return
    for before in layers_before_norms(context.root):
        if isinstance(before, layers.Linear | Conv):
            continue
        needs = f"{recipe.norm.type} needs the weights directly before it"
        if isinstance(before, Dropout | layers.DropConnect):
            item = recipe.dropout[before.index]
            pointer = f"/dropout/{before.index}/placement"
            message = f"{needs}, and {item.type} at {item.placement} is between them"
            allowed = tuple(place for place in places(item, recipe) if place != item.placement)
        else:
            pointer = "/norm/type"
            allowed = OTHERS
            message = f"{needs}, and {recipe.architecture.type} has norms before the convolution"
        yield conflict(pointer, message, allowed)
        return


@check("layers")
def norms_have_statistics(context: Context) -> Iterator[Problem]:
    """Refuses a norm of single numbers: minus its mean each is zero, and divided by its own size it is 1 or -1."""
    architecture = context.recipe.architecture
    for name, layer in norms(context.root):
        if layer.spec.numbers_per_mean(layer.input) > 1:
            continue
        is_instance = isinstance(layer.spec, InstanceNorm)
        message = f"{layer.spec.type} would normalise each number of {name} by itself, which leaves at most its sign"
        if is_instance and name.startswith("hidden") and isinstance(architecture, Cnn):
            message += "; leave the fully-connected layers out (architecture.hidden: []) or take another norm"
        others = ("none", "batch_norm", "layer_norm", "group_norm")
        yield conflict("/norm/type", message, others if is_instance else others[:2])
        return


def norms(root: Layer) -> list[tuple[str, Norm]]:
    """Returns all norms, each with its name in the state dict."""
    return [(name, layer) for name, layer in walk(root) if isinstance(layer, Norm)]


def layers_with_statistics(root: Layer) -> Iterator[str]:
    """Yields the state dict names of the norms over the batch, from input to output."""
    return (name for name, layer in norms(root) if layer.spec.statistics == "batch")


def layers_before_norms(layer: Layer) -> Iterator[Layer | None]:
    """Yields the layer directly before each norm; None for a norm that begins a sequence."""
    match layer:
        case Sequential(children):
            for before, child in pairwise((None, *(child for _, child in children))):
                yield from [before] if isinstance(child, Norm) else layers_before_norms(child) if child else ()
        case Residual(body, shortcut):
            yield from layers_before_norms(body)
            yield from layers_before_norms(shortcut) if shortcut is not None else ()
        case DenseConcat(body):
            yield from layers_before_norms(body)
        case _:
            pass
