"""Schedules: the learning rate of each step, as a factor of the optimizer's `lr`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, one

Warmup = Annotated[float, Field(ge=0, le=100_000)]


class Constant(Ingredient):
    """The same learning rate throughout."""

    type: Literal["constant"] = "constant"
    warmup_epochs: Warmup = 0.0
    """Linear rise from 0 over the first epochs (fractions count)."""


class Step(Ingredient):
    """lr * gamma^floor(epoch / step_size)."""

    main: ClassVar[str | None] = "step_size"

    type: Literal["step"] = "step"
    step_size: int = Field(default=20, ge=1, le=100_000)
    """Epochs between two drops."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """Factor of each drop."""
    warmup_epochs: Warmup = 0.0
    """Linear rise from 0 over the first epochs (fractions count)."""


class Cosine(Ingredient):
    """Half a cosine from lr to eta_min over the steps after the warm-up.

    Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts.
    """

    type: Literal["cosine"] = "cosine"
    eta_min: float = Field(default=0.0, ge=0, le=1e3)
    """Learning rate at the end."""
    warmup_epochs: Warmup = 0.0
    """Linear rise from 0 over the first epochs (fractions count)."""


AnySchedule = Constant | Step | Cosine
Schedule = Annotated[AnySchedule, Field(discriminator="type"), one(AnySchedule)]
