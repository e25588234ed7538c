"""Grows a sequence of layers while tracking the shape, following the recipe's norm, dropout and activation."""

from collections.abc import Callable
from typing import Literal

from bakehouse.plan.layers import (
    Activation,
    Conv,
    DropConnect,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Norm,
    Normalize,
    Pool,
    Residual,
    Sequential,
    Shape,
)
from bakehouse.recipe.architecture import Activation as ActivationName
from bakehouse.recipe.dropout import DropConnect as DropConnectSpec
from bakehouse.recipe.dropout import Placement, SpatialDropout, UnitDropout
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, InstanceNorm
from bakehouse.recipe.recipe import Recipe

Nonlinearity = ActivationName | Literal["maxout"]


class LayerBuilder:
    """Layers so far; `shape` is what comes out of them."""

    def __init__(self, recipe: Recipe, shape: Shape) -> None:
        self.recipe = recipe
        self.shape = shape
        self.children: list[tuple[str, Layer]] = []

    def add(self, name: str, layer: Layer) -> None:
        """Appends a layer whose input is the present shape."""
        assert name not in dict(self.children)
        self.children.append((name, layer))
        self.shape = layer.output

    def sequential(self) -> Sequential:
        """What has been grown."""
        return Sequential(tuple(self.children))

    def start(self) -> None:
        """Data normalisation, then dropout on the inputs."""
        self.add("normalize", Normalize(self.shape, whitens=self.recipe.dataset.normalization == "whiten"))
        self.dropout("input")

    def finish(self, outputs: int) -> Sequential:
        """Dropout after all norms, then the output layer."""
        self.dropout("classifier")
        self.add("head", Linear(self.shape, (outputs,)))
        self.mask_weights("classifier")
        return self.sequential()

    def flatten(self) -> None:
        """To rows, where the data are not rows already."""
        if len(self.shape) > 1:
            self.add("flatten", Flatten(self.shape))

    def pool(self, kind: Literal["max", "average"] = "max") -> None:
        """Halves the map's side."""
        self.add("pool", Pool(kind, self.shape))

    def mean_over_map(self) -> None:
        """Global average pooling."""
        self.add("pool", Pool("global_average", self.shape))

    def dropout(self, placement: Placement) -> None:
        """Every dropout of the recipe that belongs here."""
        here = [
            (index, spec)
            for index, spec in enumerate(self.recipe.dropout)
            if not isinstance(spec, DropConnectSpec) and self.belongs(spec, placement)
        ]
        for index, spec in here:
            is_alone = len(here) == 1 and "dropout" not in dict(self.children)
            self.add("dropout" if is_alone else f"dropout{index}", Dropout(spec, self.shape, index))

    def belongs(self, spec: UnitDropout, placement: Placement) -> bool:
        """Whether a dropout stands here; that of whole channels only where there are maps."""
        return spec.placement == placement and (len(self.shape) == 3 or not isinstance(spec, SpatialDropout))

    def mask_weights(self, placement: Placement, activation: ActivationName | None = None) -> bool:
        """Under drop_connect, the fully-connected layer that was added last takes in its activation; whether it
        did."""
        name, layer = self.children[-1]
        # The mean over masks of u itself is known without integrating.
        activation = None if activation == "identity" else activation
        for index, spec in enumerate(self.recipe.dropout):
            if isinstance(spec, DropConnectSpec) and spec.placement == placement and isinstance(layer, Linear):
                masked = DropConnect(spec, layer.input, layer.output, index, activation, layer.bias)
                self.children[-1] = (name, masked)
                return True
        return False

    def norm(self) -> None:
        """The recipe's norm, if it has one."""
        if not isinstance(self.recipe.norm, Off):
            self.add("norm", Norm(self.recipe.norm, self.shape))

    def norm_and_activation(self, activation: Nonlinearity, *, pieces: int = 1) -> None:
        """In the order that the norm's placement asks for."""
        if self.norm_is_first:
            self.norm()
        self.add("activation", Activation(activation, self.shape, pieces))
        if not self.norm_is_first:
            self.norm()

    def linear(self, width: int) -> None:
        """A fully-connected layer that a norm follows."""
        self.add("linear", Linear(self.shape, (width,), bias=not self.norm_cancels_bias))

    def conv(
        self, channels: int, kernel_size: int, *, stride: int = 1, bias: bool | None = None, groups: int = 1
    ) -> None:
        """A convolution that a norm follows; without a bias where the norm takes it away anyway."""
        height, width = (-(-side // stride) for side in self.shape[1:])
        bias = not self.norm_cancels_bias if bias is None else bias
        self.add("conv", Conv(self.shape, (channels, height, width), kernel_size, stride, bias, groups))

    def unit(
        self, name: str, activation: Nonlinearity, affine: Callable[["LayerBuilder"], None], *, pieces: int = 1
    ) -> None:
        """Affine layer, norm, activation and hidden dropout under one name."""
        inner = LayerBuilder(self.recipe, self.shape)
        affine(inner)
        if activation != "maxout" and inner.mask_weights("hidden", activation):
            inner.norm()
        else:
            inner.norm_and_activation(activation, pieces=pieces)
        inner.dropout("hidden")
        self.add(name, inner.sequential())

    def residual(self, name: str, residual: Residual, activation: ActivationName) -> None:
        """A residual sum and what follows it."""
        inner = LayerBuilder(self.recipe, self.shape)
        inner.add("sum", residual)
        inner.add("activation", Activation(activation, inner.shape))
        if not self.norm_is_first:
            inner.norm()
        self.add(name, inner.sequential())

    @property
    def norm_is_first(self) -> bool:
        """Whether the norm stands before the activation."""
        return isinstance(self.recipe.norm, Off) or self.recipe.norm.placement == "before_activation"

    @property
    def norm_cancels_bias(self) -> bool:
        """A norm over each channel subtracts the bias again, whose gradient is then zero."""
        cancels = BatchNorm | InstanceNorm | BatchRenorm | CrossIterationBatchNorm
        return self.norm_is_first and isinstance(self.recipe.norm, cancels)


STAGES = (1, 2, 3)


def add_stages(chain: LayerBuilder, blocks: int, add_block: Callable[[LayerBuilder, str, int, int], None]) -> None:
    """`stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map.

    `add_block` takes the stage so far, the block's name, how often the channels have doubled, and the stride.
    """
    for number in STAGES:
        stage = LayerBuilder(chain.recipe, chain.shape)
        for position in range(1, blocks + 1):
            stride = 2 if number > 1 and position == 1 else 1
            add_block(stage, f"block{position}", number - 1, stride)
        chain.add(f"stage{number}", stage.sequential())
