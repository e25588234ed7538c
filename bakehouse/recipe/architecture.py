"""Architectures: what is between the inputs and the outputs."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from bakehouse.recipe.ingredient import Ingredient, as_tuple, one

Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]
Width = Annotated[int, Field(ge=1, le=65_536)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(as_tuple, json_schema_input_type=list[Width] | Width)]


class Linear(Ingredient):
    """y = W x + b: softmax regression, or linear regression for a numeric target."""

    type: Literal["linear"] = "linear"


class Mlp(Ingredient):
    """Fully-connected layers, each with norm, activation and dropout."""

    main: ClassVar[str | None] = "hidden"

    type: Literal["mlp"] = "mlp"
    hidden: Annotated[Widths, Field(min_length=1, max_length=256)] = (256, 256)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """After each hidden layer."""


class Cnn(Ingredient):
    """Stages of 3x3 convolutions, each stage ended by 2x2 max pooling, then fully-connected layers."""

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


class Resnet(Ingredient):
    """Residual network for small images: three stages of basic blocks, 16, 32 and 64 channels wide.

    Identity shortcuts, subsampled and padded with zeros where the shape changes (option A).
    He et al. 2016, arXiv 1512.03385, section 4.2.
    """

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
        if depth % 6 != 2:
            below = depth - (depth - 2) % 6
            raise ValueError(f"depth must be 6n + 2; the nearest are {below} and {below + 6}")
        return depth


AnyArchitecture = Linear | Mlp | Cnn | Resnet
Architecture = Annotated[AnyArchitecture, Field(discriminator="type"), one(AnyArchitecture)]
