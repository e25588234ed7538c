"""Dropout, and noise instead of it. `rate` is always the probability of zeroing."""

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
    in evaluation x.

    Default: 0.5, which the paper found right for hidden units; 0.2 is usual for inputs.

    Trap: before a batch norm it shifts the variance that the norm learns; at the last placement, `classifier`, it does
    not.

    Trap: without half of the units, the rest is half a network: widen the layer by 1 / (1 - rate), and train with a
    higher learning rate.

    Srivastava et al. 2014, JMLR 15.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["dropout"] = "dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


class VanillaDropout(Ingredient):
    """Dropout as first published: in training `m x` with `m ~ Bernoulli(1 - rate)`, in evaluation `(1 - rate) x`.

    Default: 0.5, the paper's for hidden units.

    Trap: the factor is applied in evaluation and not in training, unlike in `dropout`. The weights of one do not work
    with the other.

    Hinton et al. 2012, arXiv 1207.0580.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["vanilla_dropout"] = "vanilla_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


class SpatialDropout(Ingredient):
    """Inverted dropout of whole channels: in training `m x / (1 - rate)` with one `m ~ Bernoulli(1 - rate)` for each
    channel of each sample; in evaluation x. On maps only: fully-connected layers have none.

    Default: 0.5 as for `dropout`; a whole map is more than single pixels, so that a lower rate often suffices.

    Trap: before a batch norm it shifts the variance that the norm learns, as `dropout` does.

    Tompson et al. 2015, arXiv 1411.4280.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["spatial_dropout"] = "spatial_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing a channel."""
    placement: MapPlacement | None = None
    """Where; by default `hidden`, `block_before_conv` for residual networks, `input` for linear models."""


class GaussianDropout(Ingredient):
    """Multiplicative noise with the mean and variance of dropout: in training `x r` with `r ~ N(1, rate / (1 - rate))`
    for each element of each sample; in evaluation x.

    Default: 0.5, as for `dropout`, which is a variance of 1.

    Trap: nothing is ever zero, and signs change: at 0.5 one factor of six is below 0.

    Trap: before a batch norm it shifts the variance that the norm learns, as `dropout` does.

    Srivastava et al. 2014, JMLR 15, section 10.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["gaussian_dropout"] = "gaussian_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """The rate of the plain dropout that has this variance."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


class Uout(Ingredient):
    """Uniform multiplicative noise: in training `x (1 + r)` with `r ~ U(-beta, beta)` for each element of each sample;
    in evaluation x. The variance grows by `beta^2 x^2 / 3` only, so a batch norm after it is hardly misled.

    Default: 0.1, the least that the paper tried, which changes the variance by 1 in 300 for inputs of mean 0.

    Trap: the paper gains at most a few tenths of a percent by it, no more than seeds differ: compare several seeds.

    Trap: one draw for each channel, as in some code, is a different method.

    Li et al. 2018, arXiv 1801.05134, section 5.
    """

    main: ClassVar[str | None] = "beta"

    type: Literal["uout"] = "uout"
    beta: float = Field(default=0.1, ge=0, le=1)
    """Largest change of an element, as a share of it."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


class GaussianNoise(Ingredient):
    """Additive noise on hidden units: in training `x + std N(0, 1)` for each element of each sample; in evaluation x.

    Default: 0.1, a tenth of the standard deviation of what a norm gives.

    Trap: the noise is in units of the hidden activations, whose scale is unknown without a norm; after a norm it is
    their standard deviation.

    Poole et al. 2014, arXiv 1406.1831.
    """

    main: ClassVar[str | None] = "std"

    type: Literal["gaussian_noise"] = "gaussian_noise"
    std: float = Field(default=0.1, ge=0, le=100)
    """In units of the activations it is added to."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


class DropConnect(Ingredient):
    """Dropout of weights: in training a fully-connected layer gives a(u), `u = (m W) x + m b` over 1 - rate, with `m ~
    Bernoulli(1 - rate)` for each weight and bias of each sample. Evaluation gives the mean of a(u) for normal u with
    the mean and variance over masks: `W x + b` and `rate / (1 - rate) (W^2 x^2 + b^2)`; in closed form for relu,
    leaky_relu and identity, by 32 Gauss-Hermite nodes for the others.

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
    """Probability of zeroing a weight. Training and evaluation take the nearest multiple of 1/65,536, and at least
    that for a rate above 0."""
    placement: WeightPlacement | None = None
    """Which fully-connected layers: `hidden` ones, or the output layer (`classifier`), which is the default where
    there are no hidden ones."""


UnitDropout = Dropout | VanillaDropout | SpatialDropout | GaussianDropout | Uout | GaussianNoise
AnyDropout = UnitDropout | DropConnect
Tagged = Annotated[AnyDropout, Field(discriminator="type")]
Dropouts = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyDropout, number=Dropout)]
