"""Penalties, decay, constraints and noise on weights. Biases and norm parameters are left out unless the recipe
includes them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.dropout import RATE_HINTS
from bakehouse.recipe.ingredient import Ingredient, several

Coefficient = Annotated[float, Field(ge=0, le=1e6)]


class L1(Ingredient):
    """Adds the penalty `coefficient * sum |w|`, which makes weights sparse.

    Default: the proximal step, which gives exact zeros; 0.0001 as for `l2`.

    Trap: a plain subgradient steps over zero and never stays there.

    Tibshirani 1996, Journal of the Royal Statistical Society B 58; Parikh & Boyd 2014, Proximal Algorithms.
    """

    main: ClassVar[str | None] = "coefficient"

    type: Literal["l1"] = "l1"
    coefficient: Coefficient = 1e-4
    """Factor of sum |w|; the gradient is coefficient * sign(w)."""
    method: Literal["proximal", "subgradient"] = "proximal"
    """`proximal`: each step is followed by w <- sign(w) max(|w| - lr * coefficient, 0), which gives exact zeros;
    `subgradient`: coefficient * sign(w) is added to the gradient, and weights oscillate around zero."""
    include_biases: bool = False
    """Whether biases are included."""
    include_norms: bool = False
    """Whether the scales and shifts of norm layers are included."""


class L2(Ingredient):
    """Adds the penalty `coefficient / 2 * sum w^2`, as a gradient `coefficient * w` that the optimizer sees.

    Default: 0.0001, as for the residual networks of He et al. 2016, arXiv 1512.03385.

    Trap: adam and rmsprop divide this gradient by its own size, so that it does not act as decay there; `weight_decay`
    does.

    Trap: some libraries write `coefficient * sum w^2`, which is twice as much.

    Goodfellow et al. 2016, 7.1.1.
    """

    main: ClassVar[str | None] = "coefficient"

    type: Literal["l2"] = "l2"
    coefficient: Coefficient = 1e-4
    """Factor of sum w^2 / 2; it is the `weight_decay` of torch's SGD and Adam."""
    include_biases: bool = False
    """Whether biases are included."""
    include_norms: bool = False
    """Whether the scales and shifts of norm layers are included."""


class WeightDecay(Ingredient):
    """Decoupled decay: `w <- w (1 - lr * coefficient)` before the optimizer's step, independent of the gradient.

    Default: 0.01, as in torch's AdamW.

    Trap: some libraries do not multiply by the learning rate; divide their number by it.

    Loshchilov & Hutter 2019, arXiv 1711.05101.
    """

    main: ClassVar[str | None] = "coefficient"

    type: Literal["weight_decay"] = "weight_decay"
    coefficient: Coefficient = 0.01
    """Strength of the decay; each step multiplies it by the learning rate."""
    include_biases: bool = False
    """Whether biases are included."""
    include_norms: bool = False
    """Whether the scales and shifts of norm layers are included."""


class MaxNorm(Ingredient):
    """After each step, each unit's incoming weights are scaled back to length `maxnorm` where they are longer.

    `w <- w min(1, maxnorm / |w|)` for the weights w of one unit.

    Default: 3; the paper uses 3 to 4.

    Trap: it is the length of each unit's weights that is bounded, not that of the whole matrix, nor that of the
    gradient.

    Srivastava et al. 2014, JMLR 15, section 5.1.
    """

    main: ClassVar[str | None] = "maxnorm"

    type: Literal["max_norm"] = "max_norm"
    maxnorm: float = Field(default=3.0, gt=0, le=1e6)
    """Largest L2 norm of the weights into a unit (for convolutions, of a filter), and of the embedding of a class."""


class GradientClip(Ingredient):
    """Shortens long gradients, `g <- g min(1, max_norm / |g|)`, where `|g|` is the length of the objective's gradient
    over all parameters, without the gradients of other regularizers.

    Default: 1, a round number; the diagnostic `gradient_norms` measures each layer's gradient.

    Trap: it limits the step of sgd; adam and rmsprop divide by the gradient's size anyway, so that it only limits
    sudden jumps.

    Pascanu et al. 2013, arXiv 1211.5063, section 3.2.
    """

    main: ClassVar[str | None] = "max_norm"

    type: Literal["gradient_clip"] = "gradient_clip"
    max_norm: float = Field(default=1.0, gt=0, le=1e6)
    """Largest length of the gradient."""


class WeightNoise(Ingredient):
    """Each step computes its gradient at `w + N(0, variance)` and applies it to w.

    For squared error it acts, to first order, as a penalty of `variance * E|dy/dw|^2`, which leads to flat regions.

    Default: 0.0001, a deviation of 0.01: small compared with torch's initial weights, whose deviation is 0.036 for 256
    inputs.

    Trap: `variance` is the square of the standard deviation.

    Trap: on a linear regression the penalty does not depend on the weights, and nothing is regularised.

    Goodfellow et al. 2016, 7.5.
    """

    main: ClassVar[str | None] = "variance"

    type: Literal["weight_noise"] = "weight_noise"
    variance: float = Field(default=1e-4, gt=0, le=1e6)
    """Variance of the noise (the square of its standard deviation)."""
    include_biases: bool = False
    """Whether biases are included."""
    include_norms: bool = False
    """Whether the scales and shifts of norm layers are included."""


class DropoutPenalty(Ingredient):
    """Penalty with the second-order effect that input dropout has on the objective of a linear model, but without its
    noise: `rate / (1 - rate) / 2 * sum_j x_j^2 (w_j^T V w_j)`, averaged over the batch.

    V is the curvature of the objective in the outputs: 2 for squared error (where this is exact), `p (1 - p)` for
    binary cross-entropy, `diag(p) - p p^T` for cross-entropy, exp(y) for Poisson.

    Default: 0.5, to be compared with `dropout` at its default.

    Trap: it is L2 with a weight for each feature, which depends on the current probabilities: confident predictions are
    penalised less.

    Wager et al. 2013, arXiv 1307.1493.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["dropout_penalty"] = "dropout_penalty"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing an input in the dropout that this penalty replaces."""


AnyRegularizer = L1 | L2 | WeightDecay | MaxNorm | GradientClip | WeightNoise | DropoutPenalty
Tagged = Annotated[AnyRegularizer, Field(discriminator="type")]
Regularizers = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyRegularizer)]
