"""What batch norm over iterations cannot do without."""

from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.defaults import places
from bakehouse.plan.layers import Conv, DenseConcat, DropConnect, Dropout, Layer, Linear, Norm, Residual, Sequential
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import CrossIterationBatchNorm, NormLayer
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
    for before in befores(root):
        if isinstance(before, Linear | Conv):
            continue
        needs = f"{recipe.norm.type} needs the weights directly before it"
        if isinstance(before, Dropout | DropConnect):
            item, pointer = recipe.dropout[before.index], f"/dropout/{before.index}/placement"
            message = f"{needs}, and {item.type} at {item.placement} comes between"
            allowed = tuple(place for place in places(item, recipe) if place != item.placement)
        else:
            pointer, allowed = "/norm/type", OTHERS
            message = f"{needs}, and {recipe.architecture.type} has norms that stand before the convolution"
        yield conflict(pointer, message, allowed)
        return


def befores(layer: Layer) -> Iterator[Layer | None]:
    """What stands directly before each norm; None for one that begins a sequence."""
    match layer:
        case Sequential(children):
            for before, child in pairwise((None, *(child for _, child in children))):
                yield from [before] if isinstance(child, Norm) else befores(child) if child else ()
        case Residual(body, shortcut):
            yield from befores(body)
            yield from befores(shortcut) if shortcut is not None else ()
        case DenseConcat(body):
            yield from befores(body)
        case _:
            pass
