"""Penalties, decay and constraints on weights. Biases and norm parameters are left out unless asked for."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, several

Coefficient = Annotated[float, Field(ge=0, le=1e6)]


class L1(Ingredient):
    """coefficient * sum |w|, for sparse weights."""

    main: ClassVar[str | None] = "coefficient"

    type: Literal["l1"] = "l1"
    coefficient: Coefficient = 1e-4
    """Of sum |w|, whose gradient is coefficient * sign(w)."""
    method: Literal["proximal", "subgradient"] = "proximal"
    """`proximal`: after each step sign(w) max(|w| - lr * coefficient, 0), which gives exact zeros;
    `subgradient`: coefficient * sign(w) added to the gradient, which oscillates around zero."""
    include_biases: bool = False
    """Also biases."""
    include_norms: bool = False
    """Also scales and shifts of norm layers."""


class L2(Ingredient):
    """coefficient / 2 * sum w^2, as a gradient coefficient * w that the optimizer sees."""

    main: ClassVar[str | None] = "coefficient"

    type: Literal["l2"] = "l2"
    coefficient: Coefficient = 1e-4
    """Of sum w^2 / 2: torch's `weight_decay` of SGD and Adam."""
    include_biases: bool = False
    """Also biases."""
    include_norms: bool = False
    """Also scales and shifts of norm layers."""


class WeightDecay(Ingredient):
    """Decoupled decay: w <- w (1 - lr * coefficient) before the optimizer's step, which does not see it.

    Loshchilov & Hutter 2019, arXiv 1711.05101.
    """

    main: ClassVar[str | None] = "coefficient"

    type: Literal["weight_decay"] = "weight_decay"
    coefficient: Coefficient = 0.01
    """Multiplied by the learning rate of the step."""
    include_biases: bool = False
    """Also biases."""
    include_norms: bool = False
    """Also scales and shifts of norm layers."""


class MaxNorm(Ingredient):
    """After each step, each unit's incoming weights are scaled back to length `maxnorm` where they are longer.

    Srivastava et al. 2014, JMLR 15, section 5.1.
    """

    main: ClassVar[str | None] = "maxnorm"

    type: Literal["max_norm"] = "max_norm"
    maxnorm: float = Field(default=3.0, gt=0, le=1e6)
    """Largest length of a unit's incoming weights (of a filter, for convolutions)."""


AnyRegularizer = L1 | L2 | WeightDecay | MaxNorm
Tagged = Annotated[AnyRegularizer, Field(discriminator="type")]
Regularizers = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyRegularizer)]
