"""Grows a sequence of layers while tracking the shape, following the recipe's norm, dropout and activation."""

from collections.abc import Callable

from bakehouse.plan.layers import (
    Activation,
    Conv,
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
from bakehouse.recipe.dropout import Placement
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, InstanceNorm
from bakehouse.recipe.recipe import Recipe


class Chain:
    """Layers so far; `shape` is what comes out of them."""

    def __init__(self, recipe: Recipe, shape: Shape) -> None:
        self.recipe = recipe
        self.shape = shape
        self.children: list[tuple[str, Layer]] = []

    def add(self, name: str, layer: Layer) -> None:
        """Appends a layer whose input is the present shape."""
        self.children.append((name, layer))
        self.shape = layer.output

    def sequential(self) -> Sequential:
        """What has been grown."""
        return Sequential(tuple(self.children))

    def start(self) -> None:
        """Data normalisation, then dropout on the inputs."""
        self.add("normalize", Normalize(self.shape))
        self.dropout("input")

    def finish(self, outputs: int) -> Sequential:
        """Dropout after all norms, then the output layer."""
        self.dropout("classifier")
        self.add("head", Linear(self.shape, (outputs,)))
        return self.sequential()

    def flatten(self) -> None:
        """To rows, where the data are not rows already."""
        if len(self.shape) > 1:
            self.add("flatten", Flatten(self.shape))

    def pool(self) -> None:
        """2 x 2 max pooling."""
        self.add("pool", Pool("max", self.shape))

    def mean_over_map(self) -> None:
        """Global average pooling."""
        self.add("pool", Pool("global_average", self.shape))

    def dropout(self, placement: Placement) -> None:
        """Every dropout of the recipe that belongs here."""
        here = [(index, spec) for index, spec in enumerate(self.recipe.dropout) if spec.placement == placement]
        for index, spec in here:
            self.add("dropout" if len(here) == 1 else f"dropout{index}", Dropout(spec, self.shape, index))

    def norm(self) -> None:
        """The recipe's norm, if it has one."""
        if not isinstance(self.recipe.norm, Off):
            self.add("norm", Norm(self.recipe.norm, self.shape))

    def norm_and_activation(self, activation: ActivationName) -> None:
        """In the order that the norm's placement asks for."""
        if self.norm_is_first:
            self.norm()
        self.add("activation", Activation(activation, self.shape))
        if not self.norm_is_first:
            self.norm()

    def linear(self, width: int) -> None:
        """A fully-connected layer that a norm follows."""
        self.add("linear", Linear(self.shape, (width,), bias=not self.norm_cancels_bias))

    def conv(self, channels: int, kernel_size: int, *, stride: int = 1, bias: bool | None = None) -> None:
        """A convolution that a norm follows; without a bias where the norm takes it away anyway."""
        height, width = (-(-side // stride) for side in self.shape[1:])
        bias = not self.norm_cancels_bias if bias is None else bias
        self.add("conv", Conv(self.shape, (channels, height, width), kernel_size, stride, bias))

    def unit(self, name: str, activation: ActivationName, affine: Callable[["Chain"], None]) -> None:
        """Affine layer, norm, activation and hidden dropout under one name."""
        inner = Chain(self.recipe, self.shape)
        affine(inner)
        inner.norm_and_activation(activation)
        inner.dropout("hidden")
        self.add(name, inner.sequential())

    def residual(self, name: str, residual: Residual, activation: ActivationName) -> None:
        """A residual sum and what follows it."""
        inner = Chain(self.recipe, self.shape)
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
        return self.norm_is_first and isinstance(self.recipe.norm, BatchNorm | InstanceNorm)
