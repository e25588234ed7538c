"""Dropout in its forms. `rate` is always the probability of zeroing."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, several

Placement = Literal["input", "hidden", "block_before_norm", "block_before_conv", "classifier"]

RATE_HINTS = {
    "p": "write rate, the probability of zeroing; p means keep in some texts and drop in others",
    "keep_prob": "write rate, the probability of zeroing: 1 - keep_prob",
}


class Dropout(Ingredient):
    """Inverted dropout: in training m x / (1 - rate) with m ~ Bernoulli(1 - rate) for each element of each
    sample; in evaluation x.

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
    """Dropout as first published: in training m x with m ~ Bernoulli(1 - rate), in evaluation (1 - rate) x.

    Hinton et al. 2012, arXiv 1207.0580.
    """

    main: ClassVar[str | None] = "rate"
    hints: ClassVar[Mapping[str, str]] = RATE_HINTS

    type: Literal["vanilla_dropout"] = "vanilla_dropout"
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Probability of zeroing."""
    placement: Placement | None = None
    """Where; by default `hidden`, `classifier` for residual networks, `input` for linear models."""


AnyDropout = Dropout | VanillaDropout
Tagged = Annotated[AnyDropout, Field(discriminator="type")]
Dropouts = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyDropout, number=Dropout)]
