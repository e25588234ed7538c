"""The layers that hints join, and what maps the one to the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from bakehouse.plan.estimate import activations
from bakehouse.plan.layers import Activation, DropConnect, Layer, Nonlinearity, Norm, Shape, walk
from bakehouse.plan.sources.teacher import sized
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

OUTPUT_LAYERS = ("head", "heads")


@dataclass(frozen=True)
class Hidden:
    """A layer before the output layer."""

    name: str
    """Of the module whose output it is: its activation, or the last one where it has none."""
    output: Shape
    activation: Nonlinearity | None
    pieces: int = 1
    """Of a maxout."""


@dataclass(frozen=True)
class Regressor:
    """From what the guided layer says to what the hint layer says; a convolution where both are maps."""

    guided: Hidden
    hint: Hidden

    @property
    def is_convolution(self) -> bool:
        """Whether the hint is a map."""
        return len(self.hint.output) == 3

    @property
    def kernel_size(self) -> Shape:
        """N_g - k + 1 = N_h, of both sides."""
        return tuple(
            ours - theirs + 1 for ours, theirs in zip(self.guided.output[1:], self.hint.output[1:], strict=True)
        )

    @property
    def outputs(self) -> int:
        """Channels or units before the nonlinearity."""
        return self.hint.output[0] * self.hint.pieces

    @property
    def parameters(self) -> int:
        """Learned numbers, thrown away after stage 1."""
        inputs = self.guided.output[0] * prod(self.kernel_size) if self.is_convolution else prod(self.guided.output)
        return self.outputs * (inputs + 1)


def hidden_layers(root: Layer) -> list[Hidden]:
    """In the plan's order, counted as for a transfer."""
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


def with_layers(spec: Hints, student: Layer, teacher: Layer) -> Hints:
    """The middle ones, where the recipe names none."""
    hint, guided = ((len(hidden_layers(root)) + 1) // 2 or 1 for root in (teacher, student))
    return spec.model_copy(update={"hint_layer": spec.hint_layer or hint, "guided_layer": spec.guided_layer or guided})


def regressor(spec: Hints, student: Layer, teacher: Layer) -> Regressor:
    """Between the layers that a recipe names."""
    assert spec.guided_layer is not None
    assert spec.hint_layer is not None
    return Regressor(hidden_layers(student)[spec.guided_layer - 1], hidden_layers(teacher)[spec.hint_layer - 1])


def hint_problems(spec: Hints, student: Layer, teacher: Layer) -> Iterator[Problem]:
    """Layers that are not there, or whose shapes no regressor can join."""
    ours, theirs = hidden_layers(student), hidden_layers(teacher)
    missing = [
        *missing_layer("/pretraining/hint_layer", spec.hint_layer, len(theirs), spec.teacher.run),
        *missing_layer("/pretraining/guided_layer", spec.guided_layer, len(ours), "the model"),
    ]
    if missing:
        yield from missing
        return
    join = regressor(spec, student, teacher)
    if not fits(join.guided, join.hint):
        allowed = tuple(str(number) for number, layer in enumerate(ours, start=1) if fits(layer, join.hint))
        message = (
            f"layer {spec.guided_layer}, {join.guided.name}, says {sized(join.guided.output)}, which cannot be brought "
            f"to the {sized(join.hint.output)} of the teacher's layer {spec.hint_layer}, {join.hint.name}: a hint is a "
            "row, or a map at most as large as the guided one"
        )
        yield conflict("/pretraining/guided_layer", message, allowed or None)


def missing_layer(pointer: str, number: int | None, count: int, whose: str) -> Iterator[Problem]:
    """One at or behind the output layer."""
    if number is not None and number > count:
        layers = f"{count} layer{'s' * (count != 1)}" if count else "no layers"
        allowed = (f"1 to {count}",) if count > 1 else ("1",) if count else None
        message = f"{whose} has {layers} before its output layer"
        yield conflict(pointer, message, allowed)


def fits(guided: Hidden, hint: Hidden) -> bool:
    """Anything in one row becomes a row; a map becomes a smaller one."""
    if len(hint.output) == 1:
        return True
    if len(guided.output) != 3 or len(hint.output) != 3:
        return False
    return all(ours >= theirs for ours, theirs in zip(guided.output[1:], hint.output[1:], strict=True))


def numbers_of_teaching(recipe: Recipe, student: Layer, teacher: Layer) -> int:
    """What is in memory beside the student: the teacher, what it says of a batch, and a regressor that is trained."""
    layers = [layer for _, layer in walk(teacher)]
    numbers = sum(layer.parameters for layer in layers) + recipe.batch_size * activations(teacher)
    if isinstance(recipe.pretraining, Hints):
        numbers += 3 * regressor(recipe.pretraining, student, teacher).parameters
    return numbers
