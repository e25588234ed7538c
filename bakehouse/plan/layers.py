"""Layers with shapes: the small tree that an architecture is written as.

Shapes leave out the batch: (features,), (steps, numbers) or (channels, height, width). The names in a `Sequential`,
in `Heads` and `Units`, `body` and `shortcut` of a `Residual`, and `body` of a `DenseConcat`, joined by dots, are the
names in the state dict.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

from bakehouse.recipe.architecture import Activation as ActivationName
from bakehouse.recipe.dropout import DropConnect as DropConnectSpec
from bakehouse.recipe.dropout import UnitDropout
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, LayerNorm, NormLayer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Normalize:
    """(x - shift) * scale with buffers fitted on the training split; one for each feature or channel, for each
    number of a step. If it whitens, one for each number that a square matrix then mixes."""

    input: Shape
    whitens: bool = False

    @property
    def output(self) -> Shape:
        return self.input

    @property
    def statistics(self) -> Shape:
        """The shape of `shift` and `scale`."""
        if len(self.input) == 2:
            return (1, self.input[1])
        return self.input if len(self.input) == 1 or self.whitens else (self.input[0], 1, 1)


@dataclass(frozen=True)
class Denormalize:
    """x * std + mean: from standardised targets back to the data's units; last in a regression model."""

    input: Shape

    @property
    def output(self) -> Shape:
        return self.input


@dataclass(frozen=True)
class Exponential:
    """exp(x): from the log of a mean to the mean; last in a Poisson model."""

    input: Shape

    @property
    def output(self) -> Shape:
        return self.input


@dataclass(frozen=True)
class Linear:
    """y = W x (+ b)."""

    input: Shape
    output: Shape
    bias: bool = True


@dataclass(frozen=True)
class Conv:
    """2-d convolution with square filters, padded by (kernel_size - 1) / 2."""

    input: Shape
    output: Shape
    kernel_size: int
    stride: int = 1
    bias: bool = True
    groups: int = 1
    """Equal parts of the channels, each convolved by itself."""


@dataclass(frozen=True)
class Norm:
    """A normalisation layer over `input`."""

    spec: NormLayer
    input: Shape

    @property
    def output(self) -> Shape:
        return self.input


@dataclass(frozen=True)
class Activation:
    """An elementwise nonlinearity; or maxout, the largest of each `pieces` channels that stand together."""

    name: ActivationName | Literal["maxout"]
    input: Shape
    pieces: int = 1

    @property
    def output(self) -> Shape:
        return (self.input[0] // self.pieces, *self.input[1:])


@dataclass(frozen=True)
class Dropout:
    """A dropout layer; `index` is its place in the recipe's list."""

    spec: UnitDropout
    input: Shape
    index: int

    @property
    def output(self) -> Shape:
        return self.input


MASK_NUMBERS = 1 << 18
"""Weights that are masked at once: those of as many samples as fit, of one at least. 1 MiB stays in a processor's
cache, which is twice as fast as 16."""


@dataclass(frozen=True)
class DropConnect:
    """A fully-connected layer under masks with its activation, whose mean over masks is what it evaluates to."""

    spec: DropConnectSpec
    input: Shape
    output: Shape
    index: int
    activation: ActivationName | None
    bias: bool = True

    @property
    def kept_of_65536(self) -> int:
        """How many of 65,536 masks keep a weight. Masks come from 16 random bits each, 8 times as fast as torch's own;
        a rate that is not 0 drops at least one of them, and none drops all."""
        if self.spec.rate == 0:
            return 65536
        return min(max(1, round((1 - self.spec.rate) * 65536)), 65535)

    @property
    def rate(self) -> float:
        """The rate that masks, scale and evaluation share: the recipe's, to the nearest that masks can have."""
        return 1 - self.kept_of_65536 / 65536


@dataclass(frozen=True)
class Pool:
    """The largest or the mean of each `size` x `size` pixels, or of the whole map."""

    kind: Literal["max", "average", "global_max", "global_average"]
    input: Shape
    size: int = 2

    @property
    def output(self) -> Shape:
        channels, height, width = self.input
        return (channels, height // self.size, width // self.size) if self.is_local else (channels,)

    @property
    def is_local(self) -> bool:
        """Whether a map is left."""
        return self.kind in ("max", "average")


@dataclass(frozen=True)
class Flatten:
    """All numbers of a sample in one row."""

    input: Shape

    @property
    def output(self) -> Shape:
        return (prod(self.input),)


@dataclass(frozen=True)
class Rows:
    """A picture as a sequence: each row of pixels, with all its channels, is a step."""

    input: Shape

    @property
    def output(self) -> Shape:
        channels, height, width = self.input
        return (height, channels * width)


GATES = {"elman": 1, "gru": 3, "lstm": 4}
INNER_NORMS: dict[str, dict[str, int]] = {
    "elman": {"norm": 1},
    "gru": {"norm_ih": 2, "norm_hh": 2, "norm_in": 1, "norm_hn": 1},
    "lstm": {"norm_ih": 4, "norm_hh": 4, "norm_c": 1},
}
"""Of a cell whose norms look at one row: their names and over how many units for each of the state's."""
INPUT_NORMS: dict[str, dict[str, int]] = {
    "elman": {"norm_ih": 1},
    "gru": {"norm_ih": 2, "norm_in": 1},
    "lstm": {"norm_ih": 4},
}
"""Of a cell whose norms look at the batch, whose inputs alone are there for all steps."""


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer over (steps, numbers), with its norms inside; gives all its states or the last."""

    cell: Literal["elman", "gru", "lstm"]
    input: Shape
    hidden_size: int
    activation: Literal["tanh", "relu"]
    norm: NormLayer | None
    gives_last: bool

    @property
    def output(self) -> Shape:
        return (self.hidden_size,) if self.gives_last else (self.input[0], self.hidden_size)

    @property
    def gates(self) -> int:
        """Rows of the weights: those of all gates."""
        return GATES[self.cell] * self.hidden_size

    @property
    def biases(self) -> tuple[str, ...]:
        """Their names, torch's; a norm has a shift of its own unless it is told not to."""
        if self.norm is None:
            return ("bias_ih_l0", "bias_hh_l0")
        is_affine = self.norm.elementwise_affine if isinstance(self.norm, LayerNorm) else self.norm.affine
        return () if is_affine else ("bias_ih_l0",)

    @property
    def norms(self) -> tuple[tuple[str, Norm], ...]:
        """By name, each over the numbers that it normalises at a step."""
        if self.norm is None:
            return ()
        places = INPUT_NORMS if isinstance(self.norm, BatchNorm | BatchRenorm) else INNER_NORMS
        return tuple((name, Norm(self.norm, (units * self.hidden_size,))) for name, units in places[self.cell].items())


@dataclass(frozen=True)
class Subsample:
    """Every `stride`-th pixel, and channels of zeros behind: the shortcut without parameters (option A)."""

    input: Shape
    output: Shape
    stride: int


@dataclass(frozen=True)
class Sequential:
    """Named layers, one after the other."""

    children: tuple[tuple[str, "Layer"], ...]

    @property
    def input(self) -> Shape:
        return self.children[0][1].input

    @property
    def output(self) -> Shape:
        return self.children[-1][1].output


@dataclass(frozen=True)
class Residual:
    """body(x) + shortcut(x); the shortcut is x itself where it is None."""

    body: Sequential
    shortcut: Subsample | Sequential | None = None

    @property
    def input(self) -> Shape:
        return self.body.input

    @property
    def output(self) -> Shape:
        return self.body.output


@dataclass(frozen=True)
class DenseConcat:
    """x and behind it body(x), as channels of one map."""

    body: Sequential

    @property
    def input(self) -> Shape:
        return self.body.input

    @property
    def output(self) -> Shape:
        channels, height, width = self.body.output
        return (self.input[0] + channels, height, width)


@dataclass(frozen=True)
class Heads:
    """Output layers of the same input, one a target: main(x), task1(x), ..., one behind the other."""

    named: tuple[tuple[str, Linear | DropConnect], ...]

    @property
    def input(self) -> Shape:
        return self.named[0][1].input

    @property
    def output(self) -> Shape:
        return (sum(head.output[0] for _, head in self.named),)


@dataclass(frozen=True)
class Units:
    """Each target's outputs in its own units, classes as they are; last in a model of targets some of which are
    numbers."""

    input: Shape
    parts: tuple[tuple[str, int, Denormalize | Exponential], ...]
    """Name, and the first of the outputs that it is for."""

    @property
    def output(self) -> Shape:
        return self.input


Affine = Linear | Conv | DropConnect
Primitive = (
    Normalize | Denormalize | Exponential | Affine | Recurrent | Norm | Activation | Dropout
    | Pool | Flatten | Rows | Subsample
)  # fmt: skip
Layer = Primitive | Sequential | Residual | DenseConcat | Heads | Units


def walk(layer: Layer, name: str = "") -> Iterator[tuple[str, Primitive]]:
    """The primitives in the order in which data meet them, with their names in the state dict."""
    prefix = f"{name}." if name else ""
    match layer:
        case Sequential(children):
            for child_name, child in children:
                yield from walk(child, prefix + child_name)
        case Residual(body, shortcut):
            yield from walk(body, prefix + "body")
            if shortcut is not None:
                yield from walk(shortcut, prefix + "shortcut")
        case DenseConcat(body):
            yield from walk(body, prefix + "body")
        case Heads(named):
            yield from ((prefix + child_name, child) for child_name, child in named)
        case Units(parts=parts):
            yield from ((prefix + child_name, child) for child_name, _, child in parts)
        case Recurrent():
            yield name, layer
            yield from ((prefix + inner, norm) for inner, norm in layer.norms)
        case _:
            yield name, layer


def norm_names(root: Layer) -> Iterator[str]:
    """The names of all norms in the state dict, those inside recurrent cells included."""
    return (name for name, layer in walk(root) if isinstance(layer, Norm))
