"""Dropout, and noise that is used in its place. `rate` is always the probability of zeroing."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, several

Placement = Literal["input", "hidden", "block_before_norm", "block_before_conv", "classifier"]
WeightPlacement = Literal["hidden", "classifier"]
MapPlacement = Literal["input", "hidden", "block_before_norm", "block_before_conv"]

RATE_HINTS = {
    "p": "write rate, the probability of zeroing; p means keep in some texts and drop in others",
    "keep_prob": "write rate, the probability of zeroing: 1 - keep_prob",
}


class Dropout(Ingredient):
    """Inverted dropout: in training `m x / (1 - rate)` with `m ~ Bernoulli(1 - rate)` for each element of each sample;
    in evaluation x is unchanged.

    Default: 0.5, which the paper found right for hidden units; 0.2 is usual for inputs.

    Trap: before a batch norm it shifts the variance that the norm learns; at the last placement, `classifier`, it does
    not.

    Trap: dropping half of the units leaves half of the capacity: widen the layer by 1 / (1 - rate), and train with a
    higher learning rate.

    Srivastava et al. 2014, JMLR 15.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["dropout"] = "dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing. It is rounded to a multiple of 1/65,536; a rate above 0 is at least 1/65,536."""
    placement: Placement | None = None
    """Place of the layer; by default `hidden`, but `classifier` in residual networks and `input` in linear models."""


class VanillaDropout(Ingredient):
    """Dropout as first published: in training `m x` with `m ~ Bernoulli(1 - rate)`, in evaluation `(1 - rate) x`.

    Default: 0.5, as in the paper for hidden units.

    Trap: the factor is applied in evaluation and not in training, unlike in `dropout`. Weights that were trained with
    one of them do not work with the other.

    Hinton et al. 2012, arXiv 1207.0580.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["vanilla_dropout"] = "vanilla_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing. It is rounded to a multiple of 1/65,536; a rate above 0 is at least 1/65,536."""
    placement: Placement | None = None
    """Place of the layer; by default `hidden`, but `classifier` in residual networks and `input` in linear models."""


class SpatialDropout(Ingredient):
    """Inverted dropout of whole channels: in training `m x / (1 - rate)` with one `m ~ Bernoulli(1 - rate)` for each
    channel of each sample; in evaluation x is unchanged. It acts on maps only, not on fully-connected layers.

    Default: 0.5 as for `dropout`; a dropped map takes away more than single pixels, so that a lower rate often
    suffices.

    Trap: before a batch norm it shifts the variance that the norm learns, as `dropout` does.

    Tompson et al. 2015, arXiv 1411.4280.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["spatial_dropout"] = "spatial_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing a channel. It is rounded to a multiple of 1/65,536; above 0 it is at least 1/65,536."""
    placement: MapPlacement | None = None
    """Place of the layer; by default `hidden`, but `block_before_conv` in residual networks and `input` in linear
    models."""


class GaussianDropout(Ingredient):
    """Multiplicative noise with the mean and variance of dropout: in training `x r` with `r ~ N(1, rate / (1 - rate))`
    for each element of each sample; in evaluation x is unchanged.

    Default: 0.5, as for `dropout`, which is a variance of 1.

    Trap: no activation is set to zero, and signs change: at 0.5 one factor in six is below 0.

    Trap: before a batch norm it shifts the variance that the norm learns, as `dropout` does.

    Srivastava et al. 2014, JMLR 15, section 10.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["gaussian_dropout"] = "gaussian_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Rate of the plain dropout whose variance the noise has."""
    placement: Placement | None = None
    """Place of the layer; by default `hidden`, but `classifier` in residual networks and `input` in linear models."""


class Uout(Ingredient):
    """Uniform multiplicative noise: in training `x (1 + r)` with `r ~ U(-beta, beta)` for each element of each sample;
    in evaluation x is unchanged. The variance grows by `beta^2 x^2 / 3` only, so it hardly changes the variance that a
    batch norm after it learns.

    Default: 0.1, the smallest value in the paper, which changes the variance by 1 in 300 for inputs of mean 0.

    Trap: the paper's gain is at most a few tenths of a percent, no more than the difference between seeds: compare
    several seeds.

    Trap: one random number for each channel, as in some code, is a different method.

    Li et al. 2018, arXiv 1801.05134, section 5.
    """

    main: ClassVar[str | None] = "beta"

    type: Literal["uout"] = "uout"
    beta: float = Field(default=0.1, ge=0, le=1)
    """Largest change of an element, as a share of its value."""
    placement: Placement | None = None
    """Place of the layer; by default `hidden`, but `classifier` in residual networks and `input` in linear models."""


class GaussianNoise(Ingredient):
    """Additive noise on hidden units: in training `x + std N(0, 1)` for each element of each sample; in evaluation x is
    unchanged.

    Default: 0.1, a tenth of the standard deviation of a norm's output.

    Trap: the noise is in units of the hidden activations, whose scale is unknown without a norm; after a norm it is
    their standard deviation.

    Poole et al. 2014, arXiv 1406.1831.
    """

    main: ClassVar[str | None] = "std"

    type: Literal["gaussian_noise"] = "gaussian_noise"
    std: float = Field(default=0.1, ge=0, le=100)
    """Standard deviation of the noise, in units of the activations."""
    placement: Placement | None = None
    """Place of the layer; by default `hidden`, but `classifier` in residual networks and `input` in linear models."""


class DropConnect(Ingredient):
    """Dropout of weights: in training a fully-connected layer computes a(u), where a is the activation and `u = ((m W)
    x + m b) / (1 - rate)`, with `m ~ Bernoulli(1 - rate)` for each weight and bias of each sample. Evaluation gives the
    mean of a(u) for normal u with the mean and variance over masks: `W x + b` and `rate / (1 - rate) (W^2 x^2 + b^2)`;
    in closed form for relu, leaky_relu and identity, by 32 Gauss-Hermite nodes for the others.

    Default: 0.5, as in the paper.

    Trap: in other texts drop_connect drops residual branches (stochastic depth), or has one mask for a whole batch,
    which regularises much less.

    Trap: with few inputs u is not normal, and the mean is only approximate.

    Wan et al. 2013, ICML, with its sampled inference replaced by the integral.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["drop_connect"] = "drop_connect"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing a weight. It is rounded to a multiple of 1/65,536; a rate above 0 is at least 1/65,536."""
    placement: WeightPlacement | None = None
    """Fully-connected layers to which it applies: the `hidden` ones, or the output layer (`classifier`), which is the
    default if there are no hidden ones."""


UnitDropout = Dropout | VanillaDropout | SpatialDropout | GaussianDropout | Uout | GaussianNoise
AnyDropout = UnitDropout | DropConnect
Tagged = Annotated[AnyDropout, Field(discriminator="type")]
Dropouts = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyDropout, number=Dropout)]
