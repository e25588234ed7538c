"""Finds the two layers that hints connect, and the regressor from the student's layer to the teacher's."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from bakehouse.plan.context import Context, check
from bakehouse.plan.estimate import tensors
from bakehouse.plan.layers import Activation, DropConnect, Layer, Nonlinearity, Norm, Shape, walk
from bakehouse.plan.sources.teacher import in_words
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

OUTPUT_LAYERS = ("head", "heads")


@dataclass(frozen=True)
class Hidden:
    """A layer before the output layer."""

    name: str
    """The module whose output is the layer's: its activation, or its last module if it has no activation."""
    output: Shape
    activation: Nonlinearity | None
    pieces: int = 1
    """Number of pieces of a maxout activation."""


@dataclass(frozen=True)
class Regressor:
    """Maps the outputs of the guided layer to those of the hint layer; it is a convolution if both are maps."""

    guided: Hidden
    hint: Hidden

    @property
    def is_convolution(self) -> bool:
        """Whether the regressor is a convolution, because the hint is a map."""
        return len(self.hint.output) == 3

    @property
    def kernel_size(self) -> Shape:
        """Height and width k of the filters, where N_g - k + 1 = N_h."""
        return tuple(
            ours - theirs + 1 for ours, theirs in zip(self.guided.output[1:], self.hint.output[1:], strict=True)
        )

    @property
    def outputs(self) -> int:
        """Number of channels or units before the nonlinearity."""
        return self.hint.output[0] * self.hint.pieces

    @property
    def parameters(self) -> int:
        """Number of learned values, which are thrown away after stage 1."""
        inputs = self.guided.output[0] * prod(self.kernel_size) if self.is_convolution else prod(self.guided.output)
        return self.outputs * (inputs + 1)


def hidden_layers(root: Layer) -> list[Hidden]:
    """Returns the layers before the output layer in the plan's order, counted as for a transfer."""
    found: list[Hidden] = []
    for name, layer in walk(root):
        if found and name.startswith(f"{found[-1].name}."):
            continue  # a norm inside a recurrent layer
        if isinstance(layer, DropConnect):
            found.append(Hidden(name, layer.output, layer.activation))
        elif layer.parameters and not isinstance(layer, Norm):
            found.append(Hidden(name, layer.output, None))
        elif found and found[-1].activation is None and isinstance(layer, Activation):
            found[-1] = Hidden(name, layer.output, layer.name, layer.pieces)
        elif found and found[-1].activation is None and isinstance(layer, Norm):
            found[-1] = Hidden(name, layer.output, None)
    return [layer for layer in found if layer.name.split(".")[0] not in OUTPUT_LAYERS]


def layer_numbers(spec: Hints, student: Layer, teacher: Layer) -> tuple[int, int]:
    """Returns the numbers of the hint layer and the guided layer, counted from 1; by default the middle ones."""
    # A model without hidden layers gets the number 1, which hints_join_layers then refuses.
    hint, guided = ((len(hidden_layers(root)) + 1) // 2 or 1 for root in (teacher, student))
    return spec.hint_layer or hint, spec.guided_layer or guided


def with_layer_numbers(recipe: Recipe, student: Layer, teacher: Layer) -> Recipe:
    """Fills in the numbers of the layers that the recipe's hints connect."""
    if not isinstance(recipe.pretraining, Hints):
        return recipe
    hint, guided = layer_numbers(recipe.pretraining, student, teacher)
    hints = recipe.pretraining.model_copy(update={"hint_layer": hint, "guided_layer": guided})
    return recipe.model_copy(update={"pretraining": hints})


def regressor(spec: Hints, student: Layer, teacher: Layer) -> Regressor:
    """Returns the regressor between the two layers that a recipe names."""
    hint, guided = layer_numbers(spec, student, teacher)
    return Regressor(hidden_layers(student)[guided - 1], hidden_layers(teacher)[hint - 1])


@check("sources")
def hints_join_layers(context: Context) -> Iterator[Problem]:
    """Refuses layers that do not exist, or whose shapes no regressor can connect."""
    spec = context.recipe.pretraining
    teacher = context.trained(spec.teacher) if isinstance(spec, Hints) else None
    if not isinstance(spec, Hints) or teacher is None:
        return
    hint, guided = layer_numbers(spec, context.root, teacher.root)
    ours, theirs = hidden_layers(context.root), hidden_layers(teacher.root)
    missing = [
        *missing_layer("/pretraining/hint_layer", hint, len(theirs), spec.teacher.run),
        *missing_layer("/pretraining/guided_layer", guided, len(ours), "the model"),
    ]
    if missing:
        yield from missing
        return
    join = regressor(spec, context.root, teacher.root)
    if not fits(join.guided, join.hint):
        allowed = tuple(str(number) for number, layer in enumerate(ours, start=1) if fits(layer, join.hint))
        message = (
            f"layer {guided} ({join.guided.name}, {in_words(join.guided.output)}) cannot be trained to predict the "
            f"teacher's layer {hint} ({join.hint.name}, {in_words(join.hint.output)}): the output of the teacher's "
            "layer must be a row of numbers, or a map no larger than that of the guided layer"
        )
        yield conflict("/pretraining/guided_layer", message, allowed or None)


def missing_layer(pointer: str, number: int, count: int, owner: str) -> Iterator[Problem]:
    """Refuses the number of the output layer, and all larger numbers."""
    if number > count:
        layers = f"{count} layer{'s' * (count != 1)}" if count else "no layers"
        allowed = (f"1 to {count}",) if count > 1 else ("1",) if count else None
        message = f"{owner} has {layers} before its output layer"
        yield conflict(pointer, message, allowed)


def fits(guided: Hidden, hint: Hidden) -> bool:
    """Whether a regressor exists: from anything to a row, and from a map to a map that is not larger."""
    if len(hint.output) == 1:
        return True
    if len(guided.output) != 3 or len(hint.output) != 3:
        return False
    return all(ours >= theirs for ours, theirs in zip(guided.output[1:], hint.output[1:], strict=True))


def numbers_of_teaching(recipe: Recipe, student: Layer, teacher: Layer) -> int:
    """Returns how many numbers teaching adds to memory: the teacher's weights and activations, and the regressor."""
    layers = [layer for _, layer in walk(teacher)]
    # The teacher keeps nothing for a backward pass and has no gradients, which are a third of what a layer needs.
    needed = 2 * max(numbers for _, numbers in tensors(teacher)) // 3
    numbers = sum(layer.parameters for layer in layers) + recipe.batch_size * needed
    if isinstance(recipe.pretraining, Hints):
        numbers += 3 * regressor(recipe.pretraining, student, teacher).parameters
    return numbers
