"""Architectures: the layers between the inputs and the outputs.

Each class has three constants that the rest of the program reads: `takes`, the kinds of data that the architecture
accepts; `dropout_places`, the places at which it can have dropout, with the default first; `norm_comes_first`, whether
its norms always precede the activation.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from bakehouse.recipe.dropout import Placement
from bakehouse.recipe.ingredient import ANY_DATA, IMAGES, DataKind, Ingredient, as_tuple, one

IN_LINEAR: tuple[Placement, ...] = ("input", "classifier")
IN_HIDDEN: tuple[Placement, ...] = ("hidden", "input", "classifier")
# By default dropout is after all norms, where it does not shift their variances (arXiv 1801.05134).
IN_BLOCKS: tuple[Placement, ...] = ("classifier", "block_before_conv", "block_before_norm", "input")

Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "identity"]
Width = Annotated[int, Field(ge=1, le=65_536)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(as_tuple, json_schema_input_type=list[Width] | Width)]

Stages = Annotated[
    tuple[Annotated[Widths, Field(min_length=1, max_length=64)], ...],
    BeforeValidator(as_tuple, json_schema_input_type=list[list[Width] | Width]),
    Field(min_length=1, max_length=16),
]


class Linear(Ingredient):
    """Computes `y = W x + b`: softmax regression, or linear regression for a numeric target.

    Cox 1958, Journal of the Royal Statistical Society B 20.
    """

    takes: ClassVar[frozenset[DataKind]] = ANY_DATA
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_LINEAR
    norm_comes_first: ClassVar[bool] = False
    type: Literal["linear"] = "linear"


class Mlp(Ingredient):
    """Fully-connected layers `f(W x + b)`, each with norm, activation and dropout.

    Default: two layers of 256 units are enough for tables and small images, and train in seconds.

    Trap: an image becomes one long row, and the model does not know which pixels are neighbours; `cnn` does.

    Trap: with `identity` all layers together are one linear map (a deep linear network, Saxe et al. 2014, arXiv
    1312.6120), which `linear` represents with fewer weights. It is meant for study: with dropout, evaluation gives
    exactly the geometric mean of the probabilities over all masks (Goodfellow et al. 2016, 7.12).

    Rumelhart et al. 1986, Nature 323; Guo & Berkhahn 2016, arXiv 1604.06737.
    """

    takes: ClassVar[frozenset[DataKind]] = ANY_DATA
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "hidden"
    later_fields: ClassVar[frozenset[str]] = frozenset({"embed_from", "embedding_width"})

    type: Literal["mlp"] = "mlp"
    hidden: Annotated[Widths, Field(min_length=1, max_length=256)] = (256, 256)
    """Number of units of each hidden layer."""
    activation: Activation = "relu"
    """Activation function after each hidden layer."""
    embed_from: int = Field(default=32, ge=2, le=1_001)
    """Least number of classes at which a category column is embedded: its one-hot features are multiplied by a matrix
    of their own, which is learned, and which regularizers count among the weights. 1,001 embeds none."""
    embedding_width: int | None = Field(default=None, ge=1, le=1_024)
    """Number of features that each embedded column becomes; by default half of its classes, rounded up, but at most
    50."""


class Cnn(Ingredient):
    """Stages of 3x3 convolutions that each end with 2x2 max pooling, followed by fully-connected layers.

    Default: two stages, which reduce the 8 x 8 pixels of `digits` to 2 x 2.

    Trap: each stage halves the side, so that an image of 8 x 8 pixels allows at most three stages.

    LeCun et al. 1998, Proceedings of the IEEE 86.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "channels"

    type: Literal["cnn"] = "cnn"
    channels: Annotated[Widths, Field(min_length=1, max_length=64)] = (32, 64)
    """Number of output channels of each stage; each stage halves the side of the map."""
    convolutions: int = Field(default=1, ge=1, le=32)
    """Number of convolutions in each stage."""
    kernel_size: Literal[1, 3, 5, 7] = 3
    """Side of the filters in pixels; padding keeps the map's size."""
    hidden: Annotated[Widths, Field(max_length=64)] = (128,)
    """Number of units of each fully-connected layer between the last stage and the output."""
    activation: Activation = "relu"
    """Activation function after each convolution and each hidden layer."""


class Vgg(Ingredient):
    """Five stages of 3x3 convolutions that each end with 2x2 max pooling, as long as the map has two pixels per side,
    followed by fully-connected layers; for small images there is only the output layer.

    Default: 16 layers of the paper's width, with 14.7 million parameters; the paper's own networks, for images of 224
    pixels, have `hidden` 4096 and 4096.

    Trap: images below 32 pixels are pooled less than five times, and on a map of one pixel a 3x3 filter has eight
    weights that see only padding; `cnn` has as many stages as fit.

    Trap: the paper has no norm, and began its deep networks with trained layers of the 11-layer one; with `batch_norm`
    they train from random weights.

    Simonyan & Zisserman 2015, arXiv 1409.1556, configurations A, B, D and E.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "depth"

    type: Literal["vgg"] = "vgg"
    depth: Literal[11, 13, 16, 19] = 16
    """Number of convolutions, plus 3 for the fully-connected layers of the paper."""
    width: int = Field(default=64, ge=1, le=1024)
    """Number of channels of the first of five stages; the others have 2, 4, 8 and 8 times as many."""
    hidden: Annotated[Widths, Field(max_length=64)] = ()
    """Number of units of each fully-connected layer between the last stage and the output."""
    activation: Activation = "relu"
    """Activation function after each convolution and each hidden layer."""


class Fitnet(Ingredient):
    """Thin and deep convolutional network: stages of 3x3 convolutions and one fully-connected layer, with maxout. Each
    stage ends with 2x2 max pooling, the last stage with the maximum over the whole map.

    Maxout is the largest of `pieces` affine maps, `max_j (W_j x + b_j)` (Goodfellow et al. 2013, arXiv 1302.4389).

    Default: the 19-layer network of Romero et al. 2015, arXiv 1412.6550.

    Trap: without a norm or hints, a network as deep and thin as the default hardly learns at all.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "stages"

    type: Literal["fitnet"] = "fitnet"
    stages: Stages = ((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6)
    """Number of output channels of each convolution in each stage."""
    hidden: Width = 500
    """Number of units of the fully-connected layer."""
    activation: Activation | Literal["maxout"] = "maxout"
    """Activation function after each convolution and after the fully-connected layer."""
    pieces: int = Field(default=2, ge=2, le=16)
    """Number of affine maps per channel, for maxout."""
    hidden_pieces: int = Field(default=5, ge=2, le=16)
    """Number of affine maps per unit of the fully-connected layer, for maxout."""


class Resnet(Ingredient):
    """Residual network for small images: three stages of basic blocks, 16, 32 and 64 channels wide.

    A block computes `f(x + F(x))`, where F is two convolutions with norms and f is the activation. Shortcuts are the
    identity; where the shape changes, they are subsampled and padded with zeros (option A).

    Default: 20 layers, the smallest network of the paper.

    Trap: the paper's blocks have batch norm; here they have a norm only if `norm` names one.

    He et al. 2016, arXiv 1512.03385, section 4.2.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "depth"

    type: Literal["resnet"] = "resnet"
    depth: int = Field(default=20, ge=8, le=1202)
    """Number of layers with weights: 6n + 2 for n blocks per stage (20, 32, 44, 56, 110 in the paper)."""
    activation: Activation = "relu"
    """Activation function after each convolution's norm and after each sum."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_two(cls, depth: int) -> int:
        """Checks the depth: three stages of n blocks with two convolutions each, a first convolution and the output
        layer."""
        return whole_blocks(depth, each=6, rest=2)


class Preresnet(Ingredient):
    """Residual network for small images whose blocks are norm - activation - convolution: three stages, 16, 32 and 64
    channels wide (four times as many after bottlenecks), with 1x1 convolutions as shortcuts where the shape changes.

    A block computes `x + F(x)`, and x itself is not changed; a block that changes the shape shares its first norm and
    activation with the shortcut.

    Default: 20 layers of basic blocks, as for `resnet`.

    Trap: the PreResNet-110 of Li et al. 2018, arXiv 1801.05134, has 164 layers of bottlenecks, which is depth 164 here.

    Trap: the paper's blocks have batch norm; here they have a norm only if `norm` names one.

    He et al. 2016, arXiv 1603.05027.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["preresnet"] = "preresnet"
    block: Literal["basic", "bottleneck"] = "basic"
    """Convolutions of a block: two 3x3 in `basic`; 1x1, 3x3 and 1x1 in `bottleneck`."""
    depth: int = Field(default=20, ge=8, le=1202)
    """Number of layers with weights: 6n + 2 for n basic blocks per stage (110 in the paper), 9n + 2 for n bottlenecks
    (164)."""
    activation: Activation = "relu"
    """Activation function after each norm."""

    @field_validator("depth")
    @classmethod
    def has_whole_blocks(cls, depth: int, fields: ValidationInfo) -> int:
        """Checks the depth: three stages of n blocks with two or three convolutions, a first convolution, the output
        layer."""
        return whole_blocks(depth, each=9 if fields.data.get("block") == "bottleneck" else 6, rest=2)


class WideResnet(Ingredient):
    """Residual network with few, wide blocks of norm - activation - convolution, `x + F(x)`: three stages, 16, 32 and
    64 times `width` channels wide.

    Default: WRN-16-4, with 2.7 million parameters; WRN-28-10 of the paper has 36.5 million.

    Trap: the paper's dropout is between a block's convolutions, which is `block_before_conv` here; without a placement,
    dropout is before the output layer.

    Trap: the paper's blocks have batch norm; here they have a norm only if `norm` names one.

    Zagoruyko & Komodakis 2016, arXiv 1605.07146.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["wide_resnet"] = "wide_resnet"
    depth: int = Field(default=16, ge=10, le=1000)
    """Number of convolutions, including the shortcuts: 6n + 4 for n blocks per stage (16, 22, 28, 40 in the paper)."""
    width: int = Field(default=4, ge=1, le=64)
    """Factor by which the channels are multiplied (WRN-28-10 has depth 28 and width 10)."""
    activation: Activation = "relu"
    """Activation function after each norm."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_four(cls, depth: int) -> int:
        """Checks the depth: three stages of n blocks with two convolutions each, a first convolution, three
        shortcuts."""
        return whole_blocks(depth, each=6, rest=4)


class Resnext(Ingredient):
    """Residual network whose bottlenecks have a 3x3 convolution in `cardinality` groups: three stages, 256, 512 and
    1,024 channels wide, with 1x1 convolutions as shortcuts where the shape changes.

    A block computes `f(x + F(x))`, where f is the activation.

    Default: 29 layers of 8 groups of 64 channels, a network of the paper.

    Trap: the default has 34 million parameters, which take many hours on a processor.

    Trap: the paper's blocks have batch norm; here they have a norm only if `norm` names one.

    Xie et al. 2017, arXiv 1611.05431, section 5.3.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "depth"

    type: Literal["resnext"] = "resnext"
    depth: int = Field(default=29, ge=11, le=1001)
    """Number of layers with weights: 9n + 2 for n bottlenecks per stage (29 in the paper)."""
    cardinality: int = Field(default=8, ge=1, le=256)
    """Number of groups of the 3x3 convolutions (8 and 16 in the paper)."""
    width: int = Field(default=64, ge=1, le=1024)
    """Number of channels per group in the first stage; it doubles in each later stage."""
    activation: Activation = "relu"
    """Activation function after each convolution's norm and after each sum."""

    @field_validator("depth")
    @classmethod
    def is_nine_n_plus_two(cls, depth: int) -> int:
        """Checks the depth: three stages of n blocks with three convolutions each, a first convolution, the output
        layer."""
        return whole_blocks(depth, each=9, rest=2)


class Densenet(Ingredient):
    """DenseNet-BC for small images: three stages of bottlenecks (norm - activation - convolution), each of which
    receives the outputs of all earlier ones, `x_n = F([x_0, ..., x_(n - 1)])`; between stages the channels are
    compressed and the map is halved.

    Default: 100 layers that grow by 12, the smallest DenseNet-BC of the paper.

    Trap: it has few parameters (0.8 million by default), but needs much memory, since many maps are stored for the
    gradient.

    Trap: the paper's bottlenecks have batch norm; here they have a norm only if `norm` names one.

    Huang et al. 2017, arXiv 1608.06993.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["densenet"] = "densenet"
    depth: int = Field(default=100, ge=10, le=1000)
    """Number of layers with weights: 6n + 4 for n bottlenecks per stage (100, 190, 250 in the paper)."""
    growth_rate: int = Field(default=12, ge=1, le=256)
    """Number of channels that each bottleneck adds; inside, a bottleneck has four times as many."""
    compression: float = Field(default=0.5, gt=0, le=1)
    """Share of the channels that is passed on to the next stage."""
    activation: Activation = "relu"
    """Activation function after each norm."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_four(cls, depth: int) -> int:
        """Checks the depth: 3 n bottlenecks with two convolutions each, a first convolution, two between stages, the
        output."""
        return whole_blocks(depth, each=6, rest=4)


class Rnn(Ingredient):
    """Recurrent layers that read a sequence, starting from a state of zeros; the last state goes to the output layer.

    `elman`: `h' = f(W x + U h + b)`, with `activation` as f (Elman 1990). `gru`: gates `r, z = sigmoid(W x + U h + b)`,
    candidate `n = tanh(W_n x + b_n + r (U_n h + c_n))`, `h' = (1 - z) n + z h` (Cho et al. 2014, arXiv 1406.1078).
    `lstm`: `i, f, o = sigmoid(W x + U h + b)`, `g = tanh(...)` likewise, `c' = f c + i g`, `h' = o tanh(c')`
    (Hochreiter & Schmidhuber 1997). All are initialised as in torch, with `U(-1, 1) / sqrt(hidden_size)` for weights
    and biases, the forget gate's bias included. An image is read as a sequence: each row of pixels, with all its
    channels, is one step.

    The norm is inside the cell, on summed inputs, and its shift replaces the biases; a norm without a shift leaves one
    bias. `layer_norm` is that of Ba et al. 2016, arXiv 1607.06450: `f(LN(W x + U h))` for `elman`; `LN(W x) + LN(U h)`
    for the gates of `gru` and `lstm`; `LN(W_n x) + r LN(U_n h)` for the candidate; `o tanh(LN(c'))`. All gates of a
    cell share one mean and variance for each row and step. `group_norm` does the same over groups. `batch_norm` and
    `batch_renorm` normalise W x alone, with statistics over the rows and steps of a batch, since the statistics of a
    state differ from step to step (Laurent et al. 2016, arXiv 1510.01378).

    Hidden dropout acts on the states that go from one recurrent layer to the next and on the last state of the last
    layer, with new masks for each step; never on a state that goes to the next step.

    Default: one lstm layer of 64 units, which has 19,000 weights for `digits_sequence` with its 8 numbers per step.

    Trap: gradients through many steps can explode: clip them with `gradient_clip`.

    Trap: a cell with a norm runs as a loop over the steps; `compile` unrolls the loop, which takes minutes.
    """

    takes: ClassVar[frozenset[DataKind]] = frozenset({"image", "sequence"})
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "hidden_size"

    type: Literal["rnn"] = "rnn"
    cell: Literal["elman", "gru", "lstm"] = "lstm"
    """The function that computes the next state; a gru has three quarters of an lstm's weights, an elman a quarter."""
    hidden_size: Width = 64
    """Number of units in the state of each layer."""
    num_layers: int = Field(default=1, ge=1, le=16)
    """Number of recurrent layers; each reads the states of the layer before it."""
    activation: Literal["tanh", "relu"] = "tanh"
    """The function f of the cell `elman`; the other cells always use tanh."""

    @model_validator(mode="after")
    def gates_have_tanh(self) -> Self:
        """Raises ValueError if a gated cell has another activation than tanh."""
        if self.cell != "elman" and self.activation != "tanh":
            raise ValueError(f"activation {self.activation} is only for the cell elman; {self.cell} uses tanh")
        return self


def whole_blocks(depth: int, *, each: int, rest: int) -> int:
    """Returns the depth if it is a multiple of `each`, plus `rest` layers outside the blocks; else raises
    ValueError."""
    below = depth - (depth - rest) % each
    if depth != below:
        nearest = " and ".join(str(near) for near in (below, below + each) if near > rest)
        verb = "nearest are" if " " in nearest else "smallest is"
        raise ValueError(f"depth must be {each}n + {rest}; the {verb} {nearest}")
    return depth


AnyArchitecture = Linear | Mlp | Cnn | Vgg | Fitnet | Resnet | Preresnet | WideResnet | Resnext | Densenet | Rnn
Architecture = Annotated[AnyArchitecture, Field(discriminator="type"), one(AnyArchitecture)]
