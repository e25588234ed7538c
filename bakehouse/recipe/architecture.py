"""Architectures: the layers between the inputs and the outputs.

Each class states what the rest of the program asks of an architecture: `takes`, the kinds of data that it can read;
`dropout_places`, where it can have dropout, the default first; `norm_comes_first`, whether its norms always precede the
activation.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from bakehouse.recipe.dropout import Placement
from bakehouse.recipe.ingredient import ANY_DATA, IMAGES, DataKind, Ingredient, as_tuple, one

IN_LINEAR: tuple[Placement, ...] = ("input", "classifier")
IN_HIDDEN: tuple[Placement, ...] = ("hidden", "input", "classifier")
# After all norms is where dropout does not shift their variances (arXiv 1801.05134).
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
    """`y = W x + b`: softmax regression, or linear regression for a numeric target.

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
    1312.6120), which `linear` has with fewer weights. It is for study: there evaluation is exactly the geometric mean
    over all dropout masks of the probabilities (Goodfellow et al. 2016, 7.12).

    Rumelhart et al. 1986, Nature 323.
    """

    takes: ClassVar[frozenset[DataKind]] = ANY_DATA
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "hidden"

    type: Literal["mlp"] = "mlp"
    hidden: Annotated[Widths, Field(min_length=1, max_length=256)] = (256, 256)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """After each hidden layer."""


class Cnn(Ingredient):
    """Stages of 3x3 convolutions, each stage ended by 2x2 max pooling, then fully-connected layers.

    Default: two stages, which leave 2 x 2 of the 8 x 8 pixels of `digits`.

    Trap: each stage halves the side, so that an image of 8 x 8 pixels allows three stages.

    LeCun et al. 1998, Proceedings of the IEEE 86.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "channels"

    type: Literal["cnn"] = "cnn"
    channels: Annotated[Widths, Field(min_length=1, max_length=64)] = (32, 64)
    """Output channels of each stage; each stage halves the side."""
    convolutions: int = Field(default=1, ge=1, le=32)
    """Convolutions in each stage."""
    kernel_size: Literal[1, 3, 5, 7] = 3
    """Side of the filters; padding keeps the map's size."""
    hidden: Annotated[Widths, Field(max_length=64)] = (128,)
    """Units of each fully-connected layer between the last stage and the output."""
    activation: Activation = "relu"
    """After each convolution and each hidden layer."""


class Vgg(Ingredient):
    """Five stages of 3x3 convolutions, each ended by 2x2 max pooling while the map has two pixels a side; then
    fully-connected layers, of which the form for small images has only the output layer.

    Default: 16 layers of the paper's width, 14.7 million parameters; the paper's own networks have `hidden` 4096 and
    4096, for images of 224 pixels.

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
    """Convolutions, and the three fully-connected layers of the paper."""
    width: int = Field(default=64, ge=1, le=1024)
    """Channels of the first stage; the next three have 2, 4 and 8 times as many, the last one 8 times."""
    hidden: Annotated[Widths, Field(max_length=64)] = ()
    """Units of each fully-connected layer between the last stage and the output."""
    activation: Activation = "relu"
    """After each convolution and each hidden layer."""


class Fitnet(Ingredient):
    """Thin and deep convolutional network: stages of 3x3 convolutions, each but the last ended by 2x2 max pooling, the
    last by the maximum over the whole map; one fully-connected layer; maxout.

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
    """Output channels of each convolution of each stage."""
    hidden: Width = 500
    """Units of the fully-connected layer."""
    activation: Activation | Literal["maxout"] = "maxout"
    """After each convolution and the fully-connected layer."""
    pieces: int = Field(default=2, ge=2, le=16)
    """Affine maps of a channel, for maxout."""
    hidden_pieces: int = Field(default=5, ge=2, le=16)
    """Affine maps of a unit of the fully-connected layer, for maxout."""


class Resnet(Ingredient):
    """Residual network for small images: three stages of basic blocks, 16, 32 and 64 channels wide.

    A block gives `f(x + F(x))`, F being two convolutions with norm, and f the activation. Identity shortcuts,
    subsampled and padded with zeros where the shape changes (option A).

    Default: 20 layers, the smallest network of the paper.

    Trap: the paper's blocks have batch norm; here there is none unless `norm` names one.

    He et al. 2016, arXiv 1512.03385, section 4.2.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "depth"

    type: Literal["resnet"] = "resnet"
    depth: int = Field(default=20, ge=8, le=1202)
    """Layers with weights: 6n + 2 for n blocks a stage (20, 32, 44, 56, 110 in the paper)."""
    activation: Activation = "relu"
    """After each convolution's norm and after each sum."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_two(cls, depth: int) -> int:
        """Three stages of n blocks with two convolutions each, a first convolution and the output."""
        return whole_blocks(depth, each=6, rest=2)


class Preresnet(Ingredient):
    """Residual network for small images whose blocks are norm - activation - convolution: three stages, 16, 32 and 64
    channels wide (four times as many after bottlenecks), with 1x1 convolutions as shortcuts where the shape changes.

    A block gives `x + F(x)`, and x itself is not changed; a block that changes the shape shares its first norm and
    activation with the shortcut.

    Default: 20 layers of basic blocks, as for `resnet`.

    Trap: the PreResNet-110 of Li et al. 2018, arXiv 1801.05134, has 164 layers of bottlenecks, which is depth 164 here.

    Trap: the paper's blocks have batch norm; here there is none unless `norm` names one.

    He et al. 2016, arXiv 1603.05027.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["preresnet"] = "preresnet"
    block: Literal["basic", "bottleneck"] = "basic"
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1."""
    depth: int = Field(default=20, ge=8, le=1202)
    """Layers with weights: 6n + 2 for n basic blocks a stage (110 in the paper), 9n + 2 for n bottlenecks (164)."""
    activation: Activation = "relu"
    """After each norm."""

    @field_validator("depth")
    @classmethod
    def has_whole_blocks(cls, depth: int, fields: ValidationInfo) -> int:
        """Three stages of n blocks with two or three convolutions each, a first convolution and the output."""
        return whole_blocks(depth, each=9 if fields.data.get("block") == "bottleneck" else 6, rest=2)


class WideResnet(Ingredient):
    """Residual network with few, wide blocks of norm - activation - convolution, `x + F(x)`: three stages, 16, 32 and
    64 times `width` channels wide.

    Default: WRN-16-4, with 2.7 million parameters; WRN-28-10 of the paper has 36.5 million.

    Trap: the paper's dropout is between a block's convolutions, which is `block_before_conv`; dropout without a
    placement is before the output layer.

    Trap: the paper's blocks have batch norm; here there is none unless `norm` names one.

    Zagoruyko & Komodakis 2016, arXiv 1605.07146.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["wide_resnet"] = "wide_resnet"
    depth: int = Field(default=16, ge=10, le=1000)
    """Convolutions, shortcuts among them: 6n + 4 for n blocks a stage (16, 22, 28, 40 in the paper)."""
    width: int = Field(default=4, ge=1, le=64)
    """Factor on the channels (WRN-28-10 has depth 28 and width 10)."""
    activation: Activation = "relu"
    """After each norm."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_four(cls, depth: int) -> int:
        """Three stages of n blocks with two convolutions each, a first convolution and three shortcuts."""
        return whole_blocks(depth, each=6, rest=4)


class Resnext(Ingredient):
    """Residual network whose bottlenecks have a 3x3 convolution in `cardinality` groups: three stages, 256, 512 and
    1,024 channels wide, with 1x1 convolutions as shortcuts where the shape changes.

    A block gives `f(x + F(x))`, f being the activation.

    Default: 29 layers of 8 groups of 64 channels, a network of the paper.

    Trap: 29 layers of 8 x 64 are 34 million parameters: many hours on a processor.

    Trap: the paper's blocks have batch norm; here there is none unless `norm` names one.

    Xie et al. 2017, arXiv 1611.05431, section 5.3.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = False
    main: ClassVar[str | None] = "depth"

    type: Literal["resnext"] = "resnext"
    depth: int = Field(default=29, ge=11, le=1001)
    """Layers with weights: 9n + 2 for n bottlenecks a stage (29 in the paper)."""
    cardinality: int = Field(default=8, ge=1, le=256)
    """Groups of the 3x3 convolutions (8 and 16 in the paper)."""
    width: int = Field(default=64, ge=1, le=1024)
    """Channels of a group in the first stage, twice as many in each later one."""
    activation: Activation = "relu"
    """After each convolution's norm and after each sum."""

    @field_validator("depth")
    @classmethod
    def is_nine_n_plus_two(cls, depth: int) -> int:
        """Three stages of n blocks with three convolutions each, a first convolution and the output."""
        return whole_blocks(depth, each=9, rest=2)


class Densenet(Ingredient):
    """DenseNet-BC for small images: three stages of bottlenecks (norm - activation - convolution), each of which gets
    the outputs of all before it, `x_n = F([x_0, ..., x_(n - 1)])`; between stages the channels are compressed and the
    map is halved.

    Default: 100 layers that grow by 12, the smallest DenseNet-BC of the paper.

    Trap: few parameters (0.8 million by default), but many maps have to be stored for the gradient.

    Trap: the paper's bottlenecks have batch norm; here there is none unless `norm` names one.

    Huang et al. 2017, arXiv 1608.06993.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_BLOCKS
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "depth"

    type: Literal["densenet"] = "densenet"
    depth: int = Field(default=100, ge=10, le=1000)
    """Layers with weights: 6n + 4 for n bottlenecks a stage (100, 190, 250 in the paper)."""
    growth_rate: int = Field(default=12, ge=1, le=256)
    """Channels that each bottleneck adds; inside it has four times as many channels."""
    compression: float = Field(default=0.5, gt=0, le=1)
    """Share of the channels that the next stage gets."""
    activation: Activation = "relu"
    """After each norm."""

    @field_validator("depth")
    @classmethod
    def is_six_n_plus_four(cls, depth: int) -> int:
        """Three stages of n bottlenecks with two convolutions each, a first convolution, two between, the output."""
        return whole_blocks(depth, each=6, rest=4)


class Rnn(Ingredient):
    """Recurrent layers over a sequence, from a state of zeros; the last state goes to the output layer.

    `elman`: `h' = f(W x + U h + b)`, with `activation` as f (Elman 1990). `gru`: gates `r, z = sigmoid(W x + U h + b)`,
    candidate `n = tanh(W_n x + b_n + r (U_n h + c_n))`, `h' = (1 - z) n + z h` (Cho et al. 2014, arXiv 1406.1078).
    `lstm`: `i, f, o = sigmoid(W x + U h + b)`, `g = tanh(...)` likewise, `c' = f c + i g`, `h' = o tanh(c')`
    (Hochreiter & Schmidhuber 1997). All begin with torch's weights and biases, `U(-1, 1) / sqrt(hidden_size)`, the
    forget gate's bias too. An image is read as a sequence: each row of pixels, with all its channels, is one step.

    The norm is inside the cell, on summed inputs, and its shift replaces the biases; a norm without a shift leaves one
    bias. `layer_norm` is that of Ba et al. 2016, arXiv 1607.06450: `f(LN(W x + U h))` for `elman`; `LN(W x) + LN(U h)`
    for the gates of `gru` and `lstm`; `LN(W_n x) + r LN(U_n h)` for the candidate; `o tanh(LN(c'))`. All gates of a
    cell share one mean and variance, those of one row at one step. `group_norm` is the same over groups. `batch_norm`
    and `batch_renorm` normalise W x alone, with statistics over the rows and steps of a batch, since those of a state
    differ from step to step (Laurent et al. 2016, arXiv 1510.01378).

    Hidden dropout acts on the states that go from one recurrent layer to the next and on the last state of the last
    layer, with new masks for each step; never on a state that goes to the next step.

    Default: one lstm layer of 64 units, 19,000 weights over the 8 numbers a step of `digits_sequence`.

    Trap: gradients through many steps can explode: clip them with `gradient_clip`.

    Trap: a cell with a norm is a loop over the steps, which `compile` unrolls, and that takes minutes.
    """

    takes: ClassVar[frozenset[DataKind]] = frozenset({"image", "sequence"})
    dropout_places: ClassVar[tuple[Placement, ...]] = IN_HIDDEN
    norm_comes_first: ClassVar[bool] = True
    main: ClassVar[str | None] = "hidden_size"

    type: Literal["rnn"] = "rnn"
    cell: Literal["elman", "gru", "lstm"] = "lstm"
    """The function that computes the next state; a gru has three quarters of an lstm's weights, an elman a quarter."""
    hidden_size: Width = 64
    """Numbers in the state of each layer."""
    num_layers: int = Field(default=1, ge=1, le=16)
    """Recurrent layers, each over the states of the one before."""
    activation: Literal["tanh", "relu"] = "tanh"
    """f of `elman`; the others have tanh."""

    @model_validator(mode="after")
    def gates_have_tanh(self) -> Self:
        """Gated cells are defined with tanh."""
        if self.cell != "elman" and self.activation != "tanh":
            raise ValueError(f"activation {self.activation} is for the cell elman; {self.cell} has tanh")
        return self


def whole_blocks(depth: int, *, each: int, rest: int) -> int:
    """`each` layers for one more block in every stage, and `rest` outside the blocks."""
    below = depth - (depth - rest) % each
    if depth != below:
        nearest = " and ".join(str(near) for near in (below, below + each) if near > rest)
        verb = "nearest are" if " " in nearest else "smallest is"
        raise ValueError(f"depth must be {each}n + {rest}; the {verb} {nearest}")
    return depth


AnyArchitecture = Linear | Mlp | Cnn | Vgg | Fitnet | Resnet | Preresnet | WideResnet | Resnext | Densenet | Rnn
Architecture = Annotated[AnyArchitecture, Field(discriminator="type"), one(AnyArchitecture)]
