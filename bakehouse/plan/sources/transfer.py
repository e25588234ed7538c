"""Which layers a recipe copies from another run's model, and whether they fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bakehouse.plan.card import DatasetCard, ResolvedData
from bakehouse.plan.layers import (
    Conv,
    Denormalize,
    DropConnect,
    Exponential,
    Heads,
    Linear,
    Norm,
    Normalize,
    Primitive,
    Recurrent,
    Sequential,
    Shape,
    walk,
)
from bakehouse.plan.sources.teacher import input_differences, sized
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class Unit:
    """What counts as one layer: its weights, and the norms that follow them. The last one holds the units of the
    targets too."""

    members: tuple[tuple[str, Primitive], ...]
    """With their names in the state dict; the weights first."""

    @property
    def name(self) -> str:
        """That of the weights."""
        return self.members[0][0]

    def kind(self) -> tuple[Any, ...]:
        """Equal where the tensors have equal shapes and mean the same."""
        return tuple(kind_of(layer) for _, layer in self.members)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(words_for(layer) for _, layer in self.members)})"


def units(root: Sequential) -> list[Unit]:
    """The layers of a model in the plan's order, the output layer last; output layers side by side are one."""
    found: list[list[tuple[str, Primitive]]] = []
    for child_name, child in root.children:
        begun = len(found)
        for name, layer in walk(child, child_name):
            has_weights = layer.parameters > 0 and not isinstance(layer, Norm)
            if has_weights and not (isinstance(child, Heads) and len(found) > begun):
                found.append([(name, layer)])
            elif has_weights or isinstance(layer, Norm | Denormalize | Exponential):
                found[-1].append((name, layer))
    return [Unit(tuple(members)) for members in found]


def kind_of(layer: Primitive) -> tuple[Any, ...]:
    """A filter is the same whatever the size of the image."""
    match layer:
        case Linear() | DropConnect():
            return ("linear", layer.input, layer.output, layer.bias)
        case Conv():
            channels = layer.input[0], layer.output[0]
            return ("conv", *channels, layer.kernel_size, layer.stride, layer.groups, layer.bias)
        case Recurrent():
            return (layer.cell, layer.input[1:], layer.hidden_size, layer.biases)
        case Norm(spec=spec):
            return (spec.type, layer.input[:1], *spec.learned(layer.input).items())
        case _:
            return (layer,)


def words_for(layer: Primitive) -> str:
    """A layer in a sentence."""
    match layer:
        case Conv(kernel_size=side, stride=stride):
            step = f", stride {stride}" if stride > 1 else ""
            grouped = f", {layer.groups} groups" if layer.groups > 1 else ""
            return f"conv {layer.input[0]} -> {layer.output[0]}, {side} x {side}{step}{grouped}"
        case Linear() | DropConnect():
            return f"linear {layer.input[0]} -> {layer.output[0]}"
        case Recurrent(cell=cell):
            return f"{cell} {layer.input[1]} -> {layer.hidden_size}"
        case Norm(spec=spec):
            return spec.type
        case _:
            return type(layer).__name__.lower()


def layer_count(spec: Transfer, root: Sequential) -> int:
    """How many layers a model shall not have of its own; by default all but the output layer."""
    match spec.layers:
        case None:
            return len(units(root)) - 1
        case "all":
            return len(units(root))
        case count:
            return count


def copied(spec: Transfer, root: Sequential) -> list[Unit]:
    """The layers of a model that are not its own."""
    return units(root)[: layer_count(spec, root)]


def copied_names(spec: Transfer, root: Sequential, source: Sequential) -> list[tuple[str, str]]:
    """The name of each copied layer here and in the source."""
    pairs = zip(copied(spec, root), units(source), strict=False)
    return [
        (name, other)
        for here, there in pairs
        for (name, _), (other, _) in zip(here.members, there.members, strict=True)
    ]


def copies_outputs(spec: Transfer, root: Sequential) -> bool:
    """Whether the output layer, with the units of its targets, is copied too."""
    return layer_count(spec, root) == len(units(root))


def input_problems(recipe: Recipe, card: DatasetCard, source: Recipe, source_card: DatasetCard) -> Iterator[Problem]:
    """The copied layers are given these inputs, normalised with the source's numbers. A recipe that asks for another
    normalization should know; a default gives way."""
    for difference in islice(input_differences(recipe, card, source, source_card), 1):
        message = f"its layers do not fit the inputs of {card.id}: {difference}"
        yield conflict("/pretraining/checkpoint", message)
    there = source.dataset.normalization
    is_asked_for = "normalization" in recipe.dataset.model_fields_set
    if is_asked_for and recipe.dataset.normalization != there:
        message = f"the copied layers expect their own run's inputs, whose numbers are taken over: {there}"
        yield conflict("/dataset/normalization", message, (there,))
    epsilon, asked = source.dataset.whitening_epsilon, recipe.dataset.whitening_epsilon
    if asked is not None and asked != epsilon:
        message = "the copied layers expect their own run's inputs, which were whitened with its epsilon"
        message = message if there == "whiten" else f"the copied layers expect inputs that are not whitened: {there}"
        yield conflict("/dataset/whitening_epsilon", message, ("null" if epsilon is None else f"{epsilon:g}",))


def transfer_problems(
    recipe: Recipe, root: Sequential, data: ResolvedData, source: Sequential, source_data: ResolvedData
) -> Iterator[Problem]:
    """Layers that cannot be copied, or that would leave nothing to train."""
    spec, here = recipe.pretraining, units(root)
    assert isinstance(spec, Transfer)
    run = spec.checkpoint.run
    wanted = layer_count(spec, root)
    if statistics(root) != statistics(source):
        message = (
            f"the inputs of {run} have the shape {sized(source.input)}, and those of this recipe {sized(root.input)}"
        )
        yield conflict("/pretraining/checkpoint", message)
        return
    if not 1 <= wanted <= len(here):
        yield no_such_count(here)
        return
    fitting = matching(root, source)
    if fitting < wanted:
        there = units(source)
        other = f"{there[fitting]} in {run}" if fitting < len(there) else f"{run} has no more"
        message = f"layer {fitting + 1} is {here[fitting]} here and {other}: {how_many_fit(fitting)}"
        yield misfit(message, most=fitting)
    elif wanted == len(here) and meaning(data) != meaning(source_data):
        message = f"the output layer knows the targets of {run}, whose classes are others or in another order"
        yield misfit(message, most=wanted - 1)
    if spec.freeze and wanted == len(here):
        message = f"all {wanted} layers would be frozen, and nothing trained"
        yield conflict("/pretraining/freeze", message, ("false",))


def matching(root: Sequential, source: Sequential) -> int:
    """How many layers from the input on are of the same kind and size; an output layer fits an output layer alone."""
    here, there = units(root), units(source)
    for index, (ours, theirs) in enumerate(zip(here, there, strict=False)):
        is_last = (index == len(here) - 1, index == len(there) - 1)
        if ours.kind() != theirs.kind() or is_last[0] != is_last[1]:
            return index
    return min(len(here), len(there))


def statistics(root: Sequential) -> Shape:
    """The shape of the numbers that inputs are normalised with."""
    return next(layer.statistics for _, layer in walk(root) if isinstance(layer, Normalize))


def meaning(data: ResolvedData) -> tuple[Any, ...]:
    """What outputs stand for."""
    return data.classes, [(target.name, target.classes) for target in data.tasks]


def no_such_count(here: list[Unit]) -> Problem:
    """More layers than there are, or none."""
    message = f"the model has {counted(len(here))}, the output layer among them"
    allowed = ("1",) if len(here) == 1 else (f"1 to {len(here)}",)
    return conflict("/pretraining/layers", message, allowed)


def misfit(message: str, *, most: int) -> Problem:
    """So many layers fit and no more."""
    allowed = None if most == 0 else ("1",) if most == 1 else (f"1 to {most}",)
    return conflict("/pretraining/layers", message, allowed)


def counted(number: int) -> str:
    """Layers, in words."""
    return f"{number} layer{'s' * (number != 1)}"


def how_many_fit(number: int) -> str:
    """In words."""
    return f"{counted(number)} fit{'s' * (number == 1)}" if number else "no layer fits"
