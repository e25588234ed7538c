"""Refuses norms that cannot work where they are."""

from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

from bakehouse.plan import layers
from bakehouse.plan.card import ResolvedData
from bakehouse.plan.defaults import places
from bakehouse.plan.layers import Conv, DenseConcat, Dropout, Layer, Norm, Residual, Sequential, walk
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Cnn, Densenet, Preresnet, Rnn, WideResnet
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import (
    BatchNorm,
    BatchRenorm,
    CrossIterationBatchNorm,
    GroupNorm,
    InstanceNorm,
    NormLayer,
)
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

OTHERS = tuple(kind.model_fields["type"].default for kind in get_args(NormLayer) if kind is not CrossIterationBatchNorm)


def norm_is_not_compiled(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Its iterations are counted outside of what a compiler sees."""
    if isinstance(recipe.norm, CrossIterationBatchNorm) and recipe.compile == "on":
        message = (
            f"{recipe.norm.type} keeps what earlier steps computed, for which a compiler would start anew each step"
        )
        yield conflict("/compile", message, ("auto", "off"))


def norm_follows_weights(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """How earlier statistics change is known for the weights directly before the norm."""
    if isinstance(recipe.norm, Off) or not isinstance(recipe.norm, CrossIterationBatchNorm):
        return
    for before in layers_before_norms(root):
        if isinstance(before, layers.Linear | Conv):
            continue
        needs = f"{recipe.norm.type} needs the weights directly before it"
        if isinstance(before, Dropout | layers.DropConnect):
            item, pointer = recipe.dropout[before.index], f"/dropout/{before.index}/placement"
            message = f"{needs}, and {item.type} at {item.placement} comes between"
            allowed = tuple(place for place in places(item, recipe) if place != item.placement)
        else:
            pointer, allowed = "/norm/type", OTHERS
            message = f"{needs}, and {recipe.architecture.type} has norms that stand before the convolution"
        yield conflict(pointer, message, allowed)
        return


def layers_before_norms(layer: Layer) -> Iterator[Layer | None]:
    """What stands directly before each norm; None for one that begins a sequence."""
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


def norm_order_is_free(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Blocks of norm - activation - convolution are what makes a network pre-activated; a cell's norms are inside."""
    fixed = isinstance(recipe.architecture, Preresnet | WideResnet | Densenet | Rnn)
    if fixed and not isinstance(recipe.norm, Off) and recipe.norm.placement == "after_activation":
        parts = "cells" if isinstance(recipe.architecture, Rnn) else "blocks"
        message = f"{recipe.architecture.type} is made of {parts} with the norm before the activation"
        yield conflict("/norm/placement", message, ("before_activation",))


def batches_have_statistics(recipe: Recipe, data: ResolvedData, sizes: SplitSizes) -> Iterator[Problem]:
    """The variance of one row is zero: batch norm needs two in every batch, the last one too."""
    smallest = sizes.train % recipe.batch_size or recipe.batch_size
    if not isinstance(recipe.norm, BatchNorm | BatchRenorm | CrossIterationBatchNorm) or smallest > 1:
        return
    near = sorted(range(2, min(2 * recipe.batch_size + 3, sizes.train + 1)), key=lambda n: abs(n - recipe.batch_size))
    allowed = tuple(str(size) for size in near if sizes.train % size != 1)[:2]
    last = "every" if recipe.batch_size == 1 else "the last"
    message = (
        f"{recipe.norm.type} has no variance to divide by: {last} batch of {sizes.train:,} training rows has one row"
    )
    yield conflict("/batch_size", message, allowed)


def groups_divide(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Group norm splits channels evenly."""
    if not isinstance(recipe.norm, GroupNorm):
        return
    channels = sorted({layer.input[0] for _, layer in walk(root) if isinstance(layer, Norm)})
    odd = [count for count in channels if count % recipe.norm.num_groups]
    if odd:
        # A channel a group is instance norm, and nothing at all for rows.
        common = [n for n in range(1, max(channels[0], 2)) if all(count % n == 0 for count in channels)]
        message = f"{recipe.norm.num_groups} groups do not divide {odd[0]} channels"
        yield conflict("/norm/num_groups", message, tuple(map(str, common)))


def norm_has_a_place(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """A norm that would be nowhere is a mistake, as a dropout without a place is."""
    if not isinstance(recipe.norm, Off) and not any(isinstance(layer, Norm) for _, layer in walk(root)):
        message = f"{recipe.architecture.type} has no hidden layers to normalise"
        yield conflict("/norm/type", message, ("none",))


def norms_have_statistics(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """A single number minus its mean is zero, whatever the number."""
    for name, layer in walk(root):
        if isinstance(layer, Norm) and layer.spec.numbers_per_mean(layer.input) == 1:
            message = f"{layer.spec.type} would normalise each number of {name} by itself, which leaves zero"
            if (
                name.startswith("hidden")
                and isinstance(layer.spec, InstanceNorm)
                and isinstance(recipe.architecture, Cnn)
            ):
                message += "; leave the fully-connected layers out (architecture.hidden: []) or take another norm"
            others = ("none", "batch_norm", "layer_norm", "group_norm")
            yield conflict("/norm/type", message, others if isinstance(layer.spec, InstanceNorm) else others[:2])
            return


INSIDE_CELLS = ("none", "layer_norm", "group_norm", "batch_norm", "batch_renorm")


def norm_fits_cell(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Of a step there is one row of summed inputs, and one set of weights for all steps."""
    if not isinstance(recipe.architecture, Rnn):
        return
    match recipe.norm:
        case InstanceNorm():
            why = "normalises a channel over its pixels, and a summed input of a step is one number"
        case CrossIterationBatchNorm():
            why = "is known for weights that a step of the optimizer uses once, and a cell's are used at every step"
        case _:
            return
    yield conflict("/norm/type", f"{recipe.norm.type} {why}", INSIDE_CELLS)


def layers_with_statistics(root: Layer) -> Iterator[str]:
    """Their names in the state dict, in the order in which data meet them."""
    for name, layer in walk(root):
        if isinstance(layer, Norm) and isinstance(layer.spec, BatchNorm | BatchRenorm | CrossIterationBatchNorm):
            yield name
