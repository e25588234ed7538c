"""Variance shift: in training, dropout adds to the variance that a later batch norm learns; in evaluation it does not.

Li et al. 2018, arXiv 1801.05134.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from bakehouse.plan.layers import Activation, Conv, DropConnect, Dropout, Linear, Norm, Primitive, Recurrent, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.dropout import (
    AnyDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    Uout,
    VanillaDropout,
)
from bakehouse.recipe.dropout import DropConnect as DropConnectSpec
from bakehouse.recipe.dropout import Dropout as PlainDropout
from bakehouse.recipe.norm import BATCH_NORMS

MOMENTS = {
    "relu": (0.1592, 0.3408), "leaky_relu": (0.1560, 0.3441), "gelu": (0.0796, 0.3456), "silu": (0.0427, 0.3131),
    "tanh": (0.0, 0.3943), "sigmoid": (0.25, 0.0434), "identity": (0.0, 1.0),
}  # fmt: skip
"""Squared mean and variance of each activation's outputs for inputs from N(0, 1)."""
# The mean is 1 / sqrt(pi) and the mean square is 1.
MAXOUT = (0.3183, 0.6817)
"""Squared mean and variance of the larger of two numbers from N(0, 1)."""
STANDARD = (0.0, 1.0)
NOTICEABLE = 0.95
"""Ratio of evaluation variance to training variance above which noise that is meant to be small does no harm."""

CORRELATION = 0.1
"""Example of a correlation between two inputs; the true one is not known before training."""
ALIGNMENT = 0.02
"""Typical value of cos^2 = (sum w)^2 / (d sum w^2) for the d weights of a unit; 0.014 to 0.035 in the paper's trained
networks (table 1)."""


@dataclass(frozen=True)
class Shift:
    """A dropout and the next batch norm, whose variance in training does not hold in evaluation."""

    dropout: Dropout | DropConnect
    norm: str
    """The norm's name in the state dict."""
    rate: float
    """The rate of plain dropout that adds as much variance."""
    ratio: float
    """Variance in evaluation divided by variance in training at the norm, for weights that sum uncorrelated inputs."""
    correlated: float
    """The same ratio for inputs with the correlation `CORRELATION`."""
    fan_in: int
    """Number of inputs per unit in the first weights between dropout and norm; 0 if there are no weights."""
    is_conv: bool = False
    """Whether these weights are a convolution, whose inputs are alike, being neighbours."""


def shifts(plan: Plan) -> Iterator[Shift]:
    """Yields a shift for every dropout that a batch norm follows."""
    if not isinstance(plan.recipe.norm, BATCH_NORMS):
        return
    layers = list(walk(plan.root))
    for position, (_, layer) in enumerate(layers):
        if isinstance(layer, Dropout | DropConnect):
            yield from shift_after(layer, layers[:position], layers[position:])


def shift_after(
    dropout: Dropout | DropConnect, before: list[tuple[str, Primitive]], after: list[tuple[str, Primitive]]
) -> Iterator[Shift]:
    """Yields the shift at the first norm after a dropout, if there is one."""
    norm = next((position for position, (_, layer) in enumerate(after) if isinstance(layer, Norm)), None)
    if norm is None:
        return
    squared_mean, variance = moments([layer for _, layer in before])
    rate = as_rate(dropout.spec, squared_mean + variance)
    ratio = variance_ratio(rate, squared_mean, variance)
    if ratio < (NOTICEABLE if isinstance(dropout.spec, Uout | GaussianNoise) else 1):
        weights = Linear | Conv | DropConnect | Recurrent
        between = [layer for _, layer in after[:norm] if isinstance(layer, weights)]
        inputs = fan_in(between[0]) if between else 0
        is_conv = bool(between) and isinstance(between[0], Conv)
        # Weights of random signs have (sum w)^2 / sum w^2 = 1 on average, however few they are.
        alike = variance_ratio(rate, squared_mean, variance, CORRELATION, max(1.0, ALIGNMENT * inputs))
        yield Shift(dropout, after[norm][0], rate, ratio, alike, inputs, is_conv)


def as_rate(spec: AnyDropout, mean_square: float) -> float:
    """Returns the rate of plain dropout that adds as much variance to inputs of this mean square. Plain dropout adds
    rate / (1 - rate) of the mean square."""
    match spec:
        case PlainDropout() | VanillaDropout() | SpatialDropout() | GaussianDropout() | DropConnectSpec():
            return spec.rate
        case Uout():
            # A uniform number between -beta and beta has this variance.
            added = spec.beta**2 / 3
        case GaussianNoise():
            added = spec.std**2 / mean_square
        case _:
            assert_never(spec)
    return added / (1 + added)


def variance_ratio(
    rate: float, squared_mean: float, variance: float, correlation: float = 0.0, alignment: float = 1.0
) -> float:
    """Returns (v + v rho (D - 1)) / ((c^2 + v) / (1 - rate) - c^2 + v rho (D - 1)), equation 14.

    It holds after weights w with the `alignment` D = d cos^2 = (sum w)^2 / sum w^2, for inputs whose pairs have the
    correlation rho. Without weights D is 1, which leaves equation 8.
    """
    shared = variance * correlation * (alignment - 1)
    return (variance + shared) / ((squared_mean + variance) / (1 - rate) - squared_mean + shared)


def moments(before: list[Primitive]) -> tuple[float, float]:
    """Returns squared mean and variance of a dropout's inputs; after weights or a norm, those of N(0, 1)."""
    for layer in reversed(before):
        if isinstance(layer, Activation):
            return MAXOUT if layer.name == "maxout" else MOMENTS[layer.name]
        if isinstance(layer, DropConnect) and layer.activation is not None:
            return MOMENTS[layer.activation]
        if isinstance(layer, Linear | Conv | DropConnect | Norm):
            return STANDARD
    return STANDARD


def fan_in(layer: Linear | Conv | DropConnect | Recurrent) -> int:
    """Returns the number of inputs that one unit sums."""
    if isinstance(layer, Recurrent):
        return layer.input[1]
    return layer.input[0] * (layer.kernel_size**2 if isinstance(layer, Conv) else 1)
