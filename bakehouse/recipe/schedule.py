"""Schedules: the learning rate of each step, as a factor of the optimizer's `lr`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from bakehouse.recipe.ingredient import Ingredient, as_tuple, one

Epoch = Annotated[int, Field(ge=1, le=100_000)]
Warmup = Annotated[float, Field(ge=0, le=100_000)]


class Constant(Ingredient):
    """Keeps the same learning rate throughout.

    Default: no warm-up.

    Trap: the noise of the batches does not decrease, so that sgd moves around a minimum; a falling rate lets it
    converge.

    Goodfellow et al. 2016, 8.3.1.
    """

    type: Literal["constant"] = "constant"
    warmup_epochs: Warmup = 0.0
    """Number of first epochs over which the rate rises linearly from 0; fractions are allowed."""


class Step(Ingredient):
    """Lowers the rate every `step_size` epochs: `lr * gamma^floor(epoch / step_size)`.

    Default: a drop to a tenth every 20 epochs, which is two drops in a run of 50.

    Trap: early stopping with less patience than `step_size` may end the run on the plateau before a drop.

    Goodfellow et al. 2016, 8.3.1.
    """

    main: ClassVar[str | None] = "step_size"

    type: Literal["step"] = "step"
    step_size: int = Field(default=20, ge=1, le=100_000)
    """Number of epochs between two drops."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """Factor by which each drop multiplies the rate."""
    warmup_epochs: Warmup = 0.0
    """Number of first epochs over which the rate rises linearly from 0; fractions are allowed."""


class MultiStep(Ingredient):
    """Lowers the rate to `lr * gamma^n` after the n-th milestone.

    Default: drops to a tenth after half and after three quarters of the run, as in the paper.

    Trap: early stopping may end the run on the plateau before a drop.

    He et al. 2016, arXiv 1512.03385, section 4.2.
    """

    main: ClassVar[str | None] = "milestones"

    type: Literal["multi_step"] = "multi_step"
    milestones: (
        Annotated[
            tuple[Epoch, ...],
            BeforeValidator(as_tuple, json_schema_input_type=list[Epoch] | Epoch),
            Field(min_length=1, max_length=64),
        ]
        | None
    ) = None
    """Epochs after which the rate drops, in rising order; by default half and three quarters of the run."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """Factor by which each drop multiplies the rate."""
    warmup_epochs: Warmup = 0.0
    """Number of first epochs over which the rate rises linearly from 0; fractions are allowed."""

    @field_validator("milestones")
    @classmethod
    def are_rising(cls, milestones: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Raises ValueError if an epoch is repeated or out of order."""
        if milestones is not None and list(milestones) != sorted(set(milestones)):
            raise ValueError("milestones must rise from each to the next")
        return milestones


class Cosine(Ingredient):
    """Lowers the rate along half a cosine from lr to eta_min over the steps after the warm-up.

    `eta_min + (lr - eta_min) (1 + cos(pi t)) / 2` where t is the elapsed share of these steps.

    Default: down to 0, as in torch, without a warm-up.

    Trap: the rate falls over all `epochs`; a run that early stopping ends never reaches the low rates.

    Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts.
    """

    type: Literal["cosine"] = "cosine"
    eta_min: float = Field(default=0.0, ge=0, le=1e3)
    """Learning rate at the end."""
    warmup_epochs: Warmup = 0.0
    """Number of first epochs over which the rate rises linearly from 0; fractions are allowed."""


class OneCycle(Ingredient):
    """Raises the rate once from `lr / div_factor` to lr and lowers it once to `lr / (div_factor * final_div_factor)`,
    step by step.

    Default: torch's values, but the momentum does not change.

    Trap: `lr` of the optimizer is the peak here, and may be several times a good constant rate.

    Smith & Topin 2018, arXiv 1708.07120, in torch's form of two phases.
    """

    hints: ClassVar[Mapping[str, str]] = {
        "warmup_epochs": "one_cycle begins with a rise already: pct_start is its share of the run"
    }

    type: Literal["one_cycle"] = "one_cycle"
    pct_start: float = Field(default=0.3, gt=0, lt=1)
    """Share of the run's steps in which the rate rises."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """Shape of the rise and of the fall."""
    div_factor: float = Field(default=25.0, ge=1, le=1e6)
    """Peak rate divided by the first rate."""
    final_div_factor: float = Field(default=1e4, ge=1, le=1e12)
    """First rate divided by the last rate."""


class Plateau(Ingredient):
    """Lowers the rate to `lr * factor^n` after the n-th time that the monitor has not improved for `patience` epochs in
    a row.

    Default: patience 5, since torch's 10 is as long as that of early stopping, which would end the run before the first
    drop.

    Trap: early stopping with no more patience than this ends the run before the first drop.

    He et al. 2016, arXiv 1512.03385, section 3.4.
    """

    main: ClassVar[str | None] = "patience"

    type: Literal["plateau"] = "plateau"
    factor: float = Field(default=0.1, gt=0, lt=1)
    """Factor by which each drop multiplies the rate."""
    patience: int = Field(default=5, ge=1, le=100_000)
    """Number of epochs without improvement before each drop; then the count restarts. (torch waits for one more
    epoch.)"""
    min_delta: float = Field(default=0.0, ge=0)
    """A change counts as an improvement only if it is larger than this."""
    min_lr: float = Field(default=0.0, ge=0, le=1e3)
    """Lowest learning rate; no drop goes below it."""
    warmup_epochs: Warmup = 0.0
    """Number of first epochs over which the rate rises linearly from 0; fractions are allowed."""


AnySchedule = Constant | Step | MultiStep | Cosine | OneCycle | Plateau
Schedule = Annotated[AnySchedule, Field(discriminator="type"), one(AnySchedule)]
