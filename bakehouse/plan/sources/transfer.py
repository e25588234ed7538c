"""Finds the layers that a recipe copies from another run's model, and checks whether they fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bakehouse.plan.context import Context, TrainedModel, check
from bakehouse.plan.layers import (
    Conv,
    Denormalize,
    DropConnect,
    EncodeColumns,
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
    walk_within,
)
from bakehouse.plan.sources.teacher import in_words, input_differences
from bakehouse.plan.targets import ResolvedData
from bakehouse.plurals import count_of
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class Unit:
    """One layer as a transfer counts it: weights, and the norms that follow them. The last one also includes the layers
    that convert outputs to the targets' units."""

    members: tuple[tuple[str, Primitive], ...]
    """The weights first, each with its name in the state dict."""

    @property
    def name(self) -> str:
        """The name of the weights in the state dict."""
        return self.members[0][0]

    def kind(self) -> tuple[Any, ...]:
        """Returns a value that is equal for layers whose tensors have equal shapes and mean the same."""
        return tuple(kind_of(layer) for _, layer in self.members)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(words_for(layer) for _, layer in self.members)})"


def units(root: Sequential) -> list[Unit]:
    """Returns the layers of a model in the plan's order, the output layer last; parallel output layers count as one."""
    found: list[list[tuple[str, Primitive]]] = []
    for child_name, child in root.children:
        begun = len(found)
        for name, layer in walk_within(child, child_name):
            has_weights = layer.parameters > 0 and not isinstance(layer, Norm)
            if has_weights and not (isinstance(child, Heads) and len(found) > begun):
                found.append([(name, layer)])
            elif has_weights or isinstance(layer, Norm | Denormalize | Exponential):
                found[-1].append((name, layer))
    return [Unit(tuple(members)) for members in found]


def kind_of(layer: Primitive) -> tuple[Any, ...]:
    """Returns a value that is equal for layers whose tensors have equal shapes; for filters, image sizes may differ."""
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
    """Describes a layer in a message."""
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
    """Returns how many layers a recipe copies; by default all but the output layer."""
    match spec.layers:
        case None:
            return len(units(root)) - 1
        case "all":
            return len(units(root))
        case count:
            return count


def copied(spec: Transfer, root: Sequential) -> list[Unit]:
    """Returns the layers of a model that are copied."""
    return units(root)[: layer_count(spec, root)]


def copied_names(spec: Transfer, root: Sequential, source: Sequential) -> list[tuple[str, str]]:
    """Returns the name of each copied layer in this model and in the source."""
    # The source may have more layers than are copied.
    pairs = zip(copied(spec, root), units(source), strict=False)
    return [
        (name, other)
        for here, there in pairs
        for (name, _), (other, _) in zip(here.members, there.members, strict=True)
    ]


def copies_outputs(spec: Transfer, root: Sequential) -> bool:
    """Whether the output layer is copied too, with the units of its targets."""
    return layer_count(spec, root) == len(units(root))


def source_in(recipe: Recipe) -> SavedCheckpoint | None:
    """Returns the checkpoint that layers are copied from."""
    return recipe.pretraining.checkpoint if isinstance(recipe.pretraining, Transfer) else None


def with_normalization_of_source(recipe: Recipe, checkpoints: Mapping[str, TrainedModel]) -> Recipe:
    """Fills in the normalization of the source, whose fitted statistics the copied layers expect. A recipe that asks
    for another one is left as it is, and `transfer_keeps_normalization` refuses it."""
    checkpoint = source_in(recipe)
    source = None if checkpoint is None else checkpoints.get(checkpoint.digest)
    if source is None:
        return recipe
    ours, theirs = recipe.dataset, source.recipe.dataset
    # Only model_fields_set tells a default from the same value in the user's recipe.
    if "normalization" not in ours.model_fields_set:
        ours = ours.model_copy(update={"normalization": theirs.normalization})
    if ours.whitening_epsilon is None and ours.normalization == theirs.normalization:
        ours = ours.model_copy(update={"whitening_epsilon": theirs.whitening_epsilon})
    return recipe.model_copy(update={"dataset": ours})


@check("sources")
def transfer_keeps_normalization(context: Context) -> Iterator[Problem]:
    """Refuses a normalization other than the source's, whose statistics the copied layers expect."""
    source = context.trained(source_in(context.recipe))
    if source is None:
        return
    ours, theirs = context.recipe.dataset, source.recipe.dataset
    expected = "the copied layers expect the normalization that they were trained with"
    if ours.normalization != theirs.normalization:
        message = f"{expected}, {theirs.normalization}, and its fitted statistics"
        yield conflict("/dataset/normalization", message, (theirs.normalization,))
    elif ours.whitening_epsilon != theirs.whitening_epsilon:
        message = f"{expected}, with the same epsilon"
        yield conflict("/dataset/whitening_epsilon", message, (f"{theirs.whitening_epsilon:g}",))


@check("sources")
def transfer_fits_inputs(context: Context) -> Iterator[Problem]:
    """Refuses a source whose inputs have another shape, other units or other columns."""
    checkpoint = source_in(context.recipe)
    source = context.trained(checkpoint)
    if checkpoint is None or source is None:
        return
    for difference in islice(input_differences(context, source), 1):
        message = f"its layers do not fit the inputs of {context.card.id}: {difference}"
        yield conflict("/pretraining/checkpoint", message)
        return
    if statistics(context.root) != statistics(source.root):
        theirs, ours = in_words(source.root.input), in_words(context.root.input)
        message = f"the inputs of {checkpoint.run} have the shape {theirs}, and those of this recipe {ours}"
        yield conflict("/pretraining/checkpoint", message)


@check("sources")
def transfer_copies_layers(context: Context) -> Iterator[Problem]:
    """Refuses layers that cannot be copied, or that would leave nothing to train."""
    spec = context.recipe.pretraining
    root = context.root
    source = context.trained(source_in(context.recipe))
    # transfer_fits_inputs reports inputs with other statistics.
    if not isinstance(spec, Transfer) or source is None or statistics(root) != statistics(source.root):
        return
    ours, wanted = units(root), layer_count(spec, root)
    if not 1 <= wanted <= len(ours):
        yield no_such_count(ours)
        return
    fitting = matching(root, source.root)
    if fitting < wanted:
        yield misfit(first_misfit(spec.checkpoint.run, ours, units(source.root), fitting), most=fitting)
    elif wanted == len(ours) and meaning(context.data) != meaning(source.data):
        message = f"the output layer has the targets of {spec.checkpoint.run}, whose classes or order are different"
        yield misfit(message, most=wanted - 1)
    if spec.freeze and wanted == len(ours):
        message = f"all of {count_of(wanted, 'layer')} would be frozen, and nothing would be trained"
        yield conflict("/pretraining/freeze", message, ("false",))


def first_misfit(run: str, ours: list[Unit], theirs: list[Unit], fitting: int) -> str:
    """Describes the first layer that does not fit."""
    other = f"{theirs[fitting]} in {run}" if fitting < len(theirs) else f"{run} has no more"
    return f"layer {fitting + 1} is {ours[fitting]} here and {other}: {how_many_fit(fitting)}"


def matching(root: Sequential, source: Sequential) -> int:
    """Counts the layers, from the input on, that are of the same kind and size; output layers fit only each other."""
    here, there = units(root), units(source)
    for index, (ours, theirs) in enumerate(zip(here, there, strict=False)):
        is_last = (index == len(here) - 1, index == len(there) - 1)
        if ours.kind() != theirs.kind() or is_last[0] != is_last[1]:
            return index
    return min(len(here), len(there))


def statistics(root: Sequential) -> Shape:
    """Returns the shape of the statistics that inputs are normalised with."""
    # LayerBuilder.start puts one of these first in every model.
    return next(layer.statistics for _, layer in walk(root) if isinstance(layer, Normalize | EncodeColumns))


def meaning(data: ResolvedData) -> tuple[Any, ...]:
    """Returns the classes and the further targets, which give the outputs their meaning."""
    return data.main.classes, [(target.name, target.classes) for target in data.further]


def no_such_count(here: list[Unit]) -> Problem:
    """Refuses to copy no layers, or more than the model has."""
    message = f"the model has {count_of(len(here), 'layer')}, the output layer included"
    allowed = ("1",) if len(here) == 1 else (f"1 to {len(here)}",)
    return conflict("/pretraining/layers", message, allowed)


def misfit(message: str, *, most: int) -> Problem:
    """Refuses to copy more layers than fit."""
    allowed = None if most == 0 else ("1",) if most == 1 else (f"1 to {most}",)
    return conflict("/pretraining/layers", message, allowed)


def how_many_fit(number: int) -> str:
    """Returns a phrase that says how many layers fit."""
    return f"{count_of(number, 'layer')} fit{'s' * (number == 1)}" if number else "no layer fits"
