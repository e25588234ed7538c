"""Builds a sequence of layers while tracking the shape, following the recipe's norm, dropout and activation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from bakehouse.plan.inputs import Encoding
from bakehouse.plan.layers import (
    Activation,
    Conv,
    DropConnect,
    Dropout,
    Embed,
    EncodeColumns,
    Flatten,
    Layer,
    Linear,
    Nonlinearity,
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
from bakehouse.recipe.recipe import Recipe

MAX_EMBEDDING = 50
"""Largest width of an embedding by default, as in Guo & Berkhahn's and later tabular models."""


class LayerBuilder:
    """Collects layers in order; `shape` is the output shape of the last one."""

    def __init__(self, recipe: Recipe, shape: Shape, encoding: Encoding | None = None) -> None:
        """`encoding` says how the columns of a row become features, if some are not plain numbers."""
        self.recipe = recipe
        self.shape = shape
        self.encoding = encoding
        self.children: list[tuple[str, Layer]] = []

    def add(self, name: str, layer: Layer) -> None:
        """Appends a layer, which must take the current shape as its input."""
        assert name not in dict(self.children)
        self.children.append((name, layer))
        self.shape = layer.output

    def branch(self) -> "LayerBuilder":
        """Returns an empty builder that starts from the current shape."""
        return LayerBuilder(self.recipe, self.shape)

    @contextmanager
    def group(self, name: str) -> Iterator["LayerBuilder"]:
        """Yields a builder and, at the end of `with`, appends its layers as one group."""
        inner = self.branch()
        yield inner
        self.add(name, inner.sequential())

    def sequential(self) -> Sequential:
        return Sequential(tuple(self.children))

    def start(self) -> None:
        """Appends data normalisation, then dropout on the inputs."""
        whitens = self.recipe.dataset.normalization == "whiten"
        if self.encoding is None:
            self.add("normalize", Normalize(self.shape, whitens=whitens))
        else:
            self.add("normalize", EncodeColumns(self.shape, self.encoding, whitens=whitens))
        self.dropout("input")

    def finish(self, outputs: int) -> Sequential:
        """Appends dropout after all norms, then the output layer; returns the whole sequence."""
        # No batch norm follows here, so dropout cannot shift a variance that one estimates.
        self.dropout("classifier")
        self.add("head", Linear(self.shape, (outputs,)))
        self.mask_weights("classifier")
        return self.sequential()

    def embed(self, *, classes: int, width: int | None) -> None:
        """Appends the embeddings of all categories of a row with at least so many classes, if there are any."""
        blocks = [block for block in self.encoding.blocks if block[1] >= classes] if self.encoding is not None else []
        if blocks and len(self.shape) == 1:
            widths = [(first, count, width or min(MAX_EMBEDDING, (count + 1) // 2)) for first, count in blocks]
            self.add("embed", Embed(self.shape, tuple(widths)))

    def flatten(self) -> None:
        """Appends a layer that flattens each sample to one row, unless samples are rows already."""
        if len(self.shape) > 1:
            self.add("flatten", Flatten(self.shape))

    def pool(self, kind: Literal["max", "average", "global_max", "global_average"]) -> None:
        """Appends a pooling layer that halves the map's sides, or reduces the whole map to one pixel."""
        self.add("pool", Pool(kind, self.shape))

    def dropout(self, placement: Placement) -> None:
        """Appends every dropout of the recipe that has this placement."""
        found = [
            (index, spec)
            for index, spec in enumerate(self.recipe.dropout)
            if not isinstance(spec, DropConnectSpec) and self.belongs(spec, placement)
        ]
        for index, spec in found:
            # The root may hold dropout of the input and of the classifier, so the short name may be taken already.
            is_alone = len(found) == 1 and "dropout" not in dict(self.children)
            self.add("dropout" if is_alone else f"dropout{index}", Dropout(spec, self.shape, index))

    def belongs(self, spec: UnitDropout, placement: Placement) -> bool:
        """Whether a dropout acts here; spatial dropout acts only on feature maps."""
        return spec.placement == placement and (len(self.shape) == 3 or not isinstance(spec, SpatialDropout))

    def mask_weights(self, placement: Placement, activation: ActivationName | None = None) -> bool:
        """Fuses the last linear layer with its activation if drop_connect applies to it; returns whether it did."""
        name, layer = self.children[-1]
        # Without an activation, the mean over masks needs no integration.
        activation = None if activation == "identity" else activation
        for index, spec in enumerate(self.recipe.dropout):
            if isinstance(spec, DropConnectSpec) and spec.placement == placement and isinstance(layer, Linear):
                masked = DropConnect(spec, layer.input, layer.output, index, activation, layer.bias)
                self.children[-1] = (name, masked)
                return True
        return False

    def norm(self) -> None:
        """Appends the recipe's norm, if it has one."""
        if not isinstance(self.recipe.norm, Off):
            self.add("norm", Norm(self.recipe.norm, self.shape))

    def norm_and_activation(self, activation: Nonlinearity, *, pieces: int = 1) -> None:
        """Appends norm and activation in the order that the norm's placement asks for."""
        if self.norm_is_first:
            self.norm()
        self.add("activation", Activation(activation, self.shape, pieces))
        if not self.norm_is_first:
            self.norm()

    def norm_before_sum(self) -> None:
        """Appends the norm at the end of a residual branch, if norms come before activations."""
        if self.norm_is_first:
            self.norm()

    def linear(self, width: int) -> None:
        """Appends a fully-connected layer; it has a bias unless the norm that follows cancels it."""
        self.add("linear", Linear(self.shape, (width,), bias=not self.norm_cancels_bias))

    def conv(
        self, channels: int, kernel_size: int, *, stride: int = 1, bias: bool | None = None, groups: int = 1
    ) -> None:
        """Appends a convolution; by default it has a bias unless the norm that follows cancels it."""
        # With padding by half a filter, a stride leaves side / stride pixels, rounded up.
        height, width = (-(-side // stride) for side in self.shape[1:])
        bias = not self.norm_cancels_bias if bias is None else bias
        self.add("conv", Conv(self.shape, (channels, height, width), kernel_size, stride, bias, groups))

    def unit(
        self, name: str, activation: Nonlinearity, add_weights: Callable[["LayerBuilder"], None], *, pieces: int = 1
    ) -> None:
        """Appends weights, norm, activation and hidden dropout under one name."""
        with self.group(name) as inner:
            add_weights(inner)
            # A check refuses a norm between masked weights and their activation, so the norm can only follow.
            if activation != "maxout" and inner.mask_weights("hidden", activation):
                inner.norm()
            else:
                inner.norm_and_activation(activation, pieces=pieces)
            inner.dropout("hidden")

    def residual(self, name: str, residual: Residual, activation: ActivationName) -> None:
        """Appends a residual sum and the activation after it."""
        with self.group(name) as inner:
            inner.add("sum", residual)
            inner.add("activation", Activation(activation, inner.shape))
            if not self.norm_is_first:
                inner.norm()

    @property
    def norm_is_first(self) -> bool:
        """Returns whether a hidden layer applies its norm before its activation function, as most networks do."""
        return isinstance(self.recipe.norm, Off) or self.recipe.norm.placement == "before_activation"

    @property
    def norm_cancels_bias(self) -> bool:
        """Whether the norm after a layer subtracts the layer's bias again, so that the bias has no effect."""
        norm = self.recipe.norm
        return self.norm_is_first and not isinstance(norm, Off) and norm.cancels_bias


STAGES = (1, 2, 3)


def add_stages(layers: LayerBuilder, blocks: int, add_block: Callable[[LayerBuilder, str, int, int], None]) -> None:
    """Appends `stage1` to `stage3` of `block1`, ...; the first block of each later stage halves the map.

    `add_block` takes the stage so far, the block's name, how often the channels have doubled, and the stride.
    """
    for number in STAGES:
        with layers.group(f"stage{number}") as stage:
            for position in range(1, blocks + 1):
                stride = 2 if number > 1 and position == 1 else 1
                add_block(stage, f"block{position}", number - 1, stride)
