"""Describes layers and their shapes, which form the tree of an architecture.

Shapes leave out the batch: (features,), (steps, numbers) or (channels, height, width). The names in a `Sequential`,
in `Heads` and `Units`, `body` and `shortcut` of a `Residual`, and `body` of a `DenseConcat`, joined by dots, are the
names in the state dict.

Every layer that contains no others has the number of values that it learns (`parameters`), and the number of operations
in a forward pass of one sample (`flops`, where a multiplication and an addition count as two).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar, Literal

from bakehouse.plan.inputs import Encoding
from bakehouse.recipe.architecture import Activation as ActivationName
from bakehouse.recipe.dropout import DropConnect as DropConnectSpec
from bakehouse.recipe.dropout import UnitDropout
from bakehouse.recipe.norm import NormLayer

Shape = tuple[int, ...]
Nonlinearity = ActivationName | Literal["maxout"]


class SameShape:
    """A layer whose output has the shape of its input."""

    input: Shape

    @property
    def output(self) -> Shape:
        return self.input


@dataclass(frozen=True)
class Normalize(SameShape):
    """Computes (x - shift) * scale, fitted on the training split for each feature, channel, or number of a step. If it
    whitens, both are fitted for each value of an image, and a square matrix then mixes the values."""

    parameters: ClassVar[int] = 0
    input: Shape
    whitens: bool = False

    @property
    def statistics(self) -> Shape:
        """The shape of `shift` and `scale`."""
        if len(self.input) == 2:
            return (1, self.input[1])
        return self.input if len(self.input) == 1 or self.whitens else (self.input[0], 1, 1)

    @property
    def flops(self) -> int:
        return 2 * prod(self.input) * (1 + prod(self.statistics) * self.whitens)


@dataclass(frozen=True)
class EncodeColumns:
    """Turns a row of columns, some of which are categories, dates or have empty cells, into features, and computes
    (x - shift) * scale, fitted on the training split for each feature. If it whitens, a square matrix then mixes the
    numbers. Each step of a sequence is such a row."""

    parameters: ClassVar[int] = 0
    input: Shape
    encoding: Encoding
    whitens: bool = False

    @property
    def output(self) -> Shape:
        return (*self.input[:-1], self.encoding.width)

    @property
    def statistics(self) -> Shape:
        """The shape of `shift` and `scale`."""
        return (self.encoding.width,)

    @property
    def flops(self) -> int:
        width = self.encoding.width
        return prod(self.input[:-1]) * (3 * width + 2 * width**2 * self.whitens)


@dataclass(frozen=True)
class Embed:
    """Multiplies some blocks of one-hot features each by a matrix (classes x width), which embeds the classes."""

    input: Shape
    blocks: tuple[tuple[int, int, int], ...]
    """First feature, number of classes, and width of each embedding."""

    @property
    def output(self) -> Shape:
        return (self.input[0] + sum(width - classes for _, classes, width in self.blocks),)

    @property
    def parameters(self) -> int:
        return sum(classes * width for _, classes, width in self.blocks)

    @property
    def flops(self) -> int:
        return 2 * self.parameters


@dataclass(frozen=True)
class Denormalize(SameShape):
    """Computes x * std + mean, which brings standardised targets back to the data's units. Ends a regression model."""

    parameters: ClassVar[int] = 0
    input: Shape

    @property
    def flops(self) -> int:
        return 2 * prod(self.input)


@dataclass(frozen=True)
class Exponential(SameShape):
    """Computes exp(x), which turns the log of a mean into the mean. Ends a Poisson model."""

    parameters: ClassVar[int] = 0
    input: Shape

    @property
    def flops(self) -> int:
        return 2 * prod(self.input)


@dataclass(frozen=True)
class Linear:
    """Computes y = W x + b, or y = W x without a bias."""

    input: Shape
    output: Shape
    bias: bool = True

    @property
    def parameters(self) -> int:
        return self.output[0] * (self.input[0] + self.bias)

    @property
    def flops(self) -> int:
        return 2 * self.input[0] * self.output[0]


@dataclass(frozen=True)
class Conv:
    """Convolves with square filters, padded by (kernel_size - 1) / 2."""

    input: Shape
    output: Shape
    kernel_size: int
    stride: int = 1
    bias: bool = True
    groups: int = 1
    """Number of equal parts of the channels, each of which is convolved by itself."""

    @property
    def parameters(self) -> int:
        return self.output[0] * (self.input[0] // self.groups * self.kernel_size**2 + self.bias)

    @property
    def flops(self) -> int:
        return 2 * prod(self.output) * self.input[0] // self.groups * self.kernel_size**2


@dataclass(frozen=True)
class Norm(SameShape):
    """Normalises samples of the shape `input`."""

    spec: NormLayer
    input: Shape

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.spec.learned(self.input).values())

    @property
    def flops(self) -> int:
        return 8 * prod(self.input)


@dataclass(frozen=True)
class Activation:
    """Applies a nonlinearity to each value, or maxout, which is the largest of each `pieces` neighbouring channels."""

    parameters: ClassVar[int] = 0
    name: Nonlinearity
    input: Shape
    pieces: int = 1

    @property
    def output(self) -> Shape:
        return (self.input[0] // self.pieces, *self.input[1:])

    @property
    def flops(self) -> int:
        return 2 * prod(self.input)


@dataclass(frozen=True)
class Dropout(SameShape):
    """A dropout layer; `index` is its position in the recipe's list."""

    parameters: ClassVar[int] = 0
    spec: UnitDropout
    input: Shape
    index: int

    @property
    def flops(self) -> int:
        return 2 * prod(self.input)


MASK_NUMBERS = 1 << 18
"""Limit on the weights that are masked at once; samples are grouped accordingly, at least one at a time. They take
1 MiB, which stays in a processor's cache and is twice as fast as 16 MiB."""
KEPT_MASKS = 1 << 26
"""Limit on the masks of a batch that are kept from the forward to the backward pass, where each takes a byte. If there
are more, they are drawn twice, which takes a third longer."""


@dataclass(frozen=True)
class DropConnect:
    """A fully-connected layer with its activation, under random masks; evaluation gives the mean over masks."""

    spec: DropConnectSpec
    input: Shape
    output: Shape
    index: int
    activation: ActivationName | None
    bias: bool = True

    @property
    def parameters(self) -> int:
        return self.output[0] * (self.input[0] + self.bias)

    @property
    def flops(self) -> int:
        """Number of operations in evaluation, which needs mean and variance, and the activation at 32 nodes."""
        return 4 * self.input[0] * self.output[0] + (0 if self.activation is None else 128 * self.output[0])


@dataclass(frozen=True)
class Pool:
    """Takes the largest or the mean of each `size` x `size` pixels, or of the whole map."""

    parameters: ClassVar[int] = 0
    kind: Literal["max", "average", "global_max", "global_average"]
    input: Shape
    size: int = 2

    @property
    def output(self) -> Shape:
        channels, height, width = self.input
        # Torch's pooling drops an odd last row or column, too.
        return (channels, height // self.size, width // self.size) if self.is_local else (channels,)

    @property
    def is_local(self) -> bool:
        """Whether the layer's output has a height and a width, as an image has."""
        return self.kind in ("max", "average")

    @property
    def flops(self) -> int:
        return prod(self.output) * self.size**2 if self.is_local else prod(self.input)


@dataclass(frozen=True)
class Flatten:
    """Puts all values of a sample in one row."""

    parameters: ClassVar[int] = 0
    flops: ClassVar[int] = 0
    input: Shape

    @property
    def output(self) -> Shape:
        return (prod(self.input),)


@dataclass(frozen=True)
class Rows:
    """Turns an image into a sequence: each row of pixels, with all its channels, is a step."""

    parameters: ClassVar[int] = 0
    flops: ClassVar[int] = 0
    input: Shape

    @property
    def output(self) -> Shape:
        channels, height, width = self.input
        return (height, channels * width)


# An lstm has the gates i, f, g, o and a gru r, z, n; torch stacks their rows in one matrix.
GATES = {"elman": 1, "gru": 3, "lstm": 4}
INNER_NORMS: dict[str, dict[str, int]] = {
    "elman": {"norm": 1},
    "gru": {"norm_ih": 2, "norm_hh": 2, "norm_in": 1, "norm_hn": 1},
    "lstm": {"norm_ih": 4, "norm_hh": 4, "norm_c": 1},
}
"""Norms inside each recurrent cell that normalise each row by itself: their names and widths, in multiples of the
state's width."""
INPUT_NORMS: dict[str, dict[str, int]] = {
    "elman": {"norm_ih": 1},
    "gru": {"norm_ih": 2, "norm_in": 1},
    "lstm": {"norm_ih": 4},
}
"""Norms inside each recurrent cell that use statistics of the batch, likewise. They apply only to W x, which is known
for all steps at once."""


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer over (steps, numbers), with its norms inside. It returns all states, or only the last one."""

    cell: Literal["elman", "gru", "lstm"]
    input: Shape
    hidden_size: int
    activation: Literal["tanh", "relu"]
    norm: NormLayer | None
    gives_last: bool
    is_ragged: bool = False
    """Whether sequences differ in their number of steps, of which `input` has the largest."""

    @property
    def output(self) -> Shape:
        return (self.hidden_size,) if self.gives_last else (self.input[0], self.hidden_size)

    @property
    def gates(self) -> int:
        """Number of rows in the weight matrices, for all gates together."""
        return GATES[self.cell] * self.hidden_size

    @property
    def biases(self) -> tuple[str, ...]:
        """The names of the biases, as in torch; there are none if a norm learns a shift."""
        if self.norm is None:
            return ("bias_ih_l0", "bias_hh_l0")
        return () if "bias" in self.norm.learned((self.hidden_size,)) else ("bias_ih_l0",)

    @property
    def norms(self) -> tuple[tuple[str, Norm], ...]:
        """The norms inside the cell by name, each for the values that it normalises at a step."""
        if self.norm is None:
            return ()
        widths = INPUT_NORMS if self.norm.statistics == "batch" else INNER_NORMS
        return tuple((name, Norm(self.norm, (width * self.hidden_size,))) for name, width in widths[self.cell].items())

    @property
    def parameters(self) -> int:
        """Number of learned values without those of the inner norms, which `walk` yields separately."""
        return self.gates * (self.input[1] + self.hidden_size + len(self.biases))

    @property
    def flops(self) -> int:
        """Number of operations, including the inner norms for all steps but one, which they count themselves."""
        steps, numbers = self.input
        products = 2 * self.gates * (numbers + self.hidden_size)
        normalized = sum(norm.flops for _, norm in self.norms)
        return steps * (products + 4 * self.gates) + (steps - 1) * normalized


@dataclass(frozen=True)
class Subsample:
    """Keeps every `stride`-th pixel and appends channels of zeros: the shortcut without parameters (option A)."""

    parameters: ClassVar[int] = 0
    flops: ClassVar[int] = 0
    input: Shape
    output: Shape
    stride: int


@dataclass(frozen=True)
class Sequential:
    """Applies named layers one after the other."""

    children: tuple[tuple[str, "Layer"], ...]

    # A plan is made with a hundred walks through its layers. It writes to __dict__ directly, which works in a frozen
    # dataclass.
    @cached_property
    def primitives(self) -> tuple[tuple[str, "Primitive"], ...]:
        """The layers that contain no others, with their names."""
        return tuple(found for name, child in self.children for found in walk_within(child, name))

    @property
    def input(self) -> Shape:
        return self.children[0][1].input

    @property
    def output(self) -> Shape:
        return self.children[-1][1].output


@dataclass(frozen=True)
class Residual:
    """Computes body(x) + shortcut(x), or body(x) + x without a shortcut."""

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
    """Concatenates the channels of x and of body(x)."""

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
    """Concatenates main(x), task1(x), ...: the output layers of several targets, which share their input."""

    named: tuple[tuple[str, Linear | DropConnect], ...]

    @property
    def input(self) -> Shape:
        return self.named[0][1].input

    @property
    def output(self) -> Shape:
        return (sum(head.output[0] for _, head in self.named),)


@dataclass(frozen=True)
class Units(SameShape):
    """Brings the outputs of numeric targets to the data's units and leaves logits as they are; last in a model of
    several targets."""

    input: Shape
    parts: tuple[tuple[str, int, Denormalize | Exponential], ...]
    """Name, output column, and layer of each numeric target."""


Affine = Linear | Conv | DropConnect
Primitive = (
    Normalize | EncodeColumns | Embed | Denormalize | Exponential | Affine | Recurrent | Norm | Activation | Dropout
    | Pool | Flatten | Rows | Subsample
)  # fmt: skip
Layer = Primitive | Sequential | Residual | DenseConcat | Heads | Units


def walk(layer: Layer) -> Iterator[tuple[str, Primitive]]:
    """Yields the layers that contain no others, from input to output, with their names in the state dict."""
    return iter(layer.primitives) if isinstance(layer, Sequential) else walk_within(layer, "")


def walk_within(layer: Layer, name: str) -> Iterator[tuple[str, Primitive]]:
    """Yields the same of a layer that has a name in the state dict itself."""
    prefix = f"{name}." if name else ""
    match layer:
        case Sequential():
            yield from ((prefix + inner, found) for inner, found in layer.primitives)
        case Residual(body, shortcut):
            yield from walk_within(body, prefix + "body")
            if shortcut is not None:
                yield from walk_within(shortcut, prefix + "shortcut")
        case DenseConcat(body):
            yield from walk_within(body, prefix + "body")
        case Heads(named):
            yield from ((prefix + child_name, child) for child_name, child in named)
        case Units(parts=parts):
            yield from ((prefix + child_name, child) for child_name, _, child in parts)
        case Recurrent():
            # The weights come before their norms, because a transfer adds each norm to the weights before it.
            yield name, layer
            yield from ((prefix + inner, norm) for inner, norm in layer.norms)
        case _:
            yield name, layer


def norm_names(root: Layer) -> Iterator[str]:
    """Yields the state dict names of all norms, including those inside recurrent cells."""
    return (name for name, layer in walk(root) if isinstance(layer, Norm))
