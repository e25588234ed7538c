"""Normalisation layers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bakehouse.recipe.ingredient import Ingredient, Off, one

Placement = Literal["before_activation", "after_activation"]


class BatchNorm(Ingredient):
    """Normalises each feature (each channel of images) by the batch's mean and biased variance, then scales
    and shifts: y = gamma (x - mean) / sqrt(var + eps) + beta. Evaluation uses moving averages.

    Ioffe & Szegedy 2015, arXiv 1502.03167.
    """

    type: Literal["batch_norm"] = "batch_norm"
    momentum: float = Field(default=0.1, gt=0, le=1)
    """Weight of the newest batch in the moving averages (0.1 here is 0.9 where old values are weighted)."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn gamma and beta."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""


class LayerNorm(Ingredient):
    """Normalises each sample over all its features (channels, height and width of images); the same in
    training and evaluation.

    Ba et al. 2016, arXiv 1607.06450.
    """

    type: Literal["layer_norm"] = "layer_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    elementwise_affine: bool = True
    """Learn a scale and a shift for each element."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""


class InstanceNorm(Ingredient):
    """Normalises each channel of each sample over height and width; images only.

    Ulyanov et al. 2016, arXiv 1607.08022.
    """

    type: Literal["instance_norm"] = "instance_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    # torch's default is False; the paper scales and shifts.
    affine: bool = True
    """Learn a scale and a shift for each channel."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""


class GroupNorm(Ingredient):
    """Normalises each sample over groups of channels, whatever the batch size.

    Wu & He 2018, arXiv 1803.08494.
    """

    type: Literal["group_norm"] = "group_norm"
    # The paper's 32 does not divide the 16 channels of small residual networks.
    num_groups: int = Field(default=8, ge=1)
    """Must divide the channels of every layer that is normalised."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn a scale and a shift for each channel."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""


class BatchRenorm(Ingredient):
    """Batch norm whose training looks like its evaluation: y = gamma (r (x - mean) / s + d) + beta with
    s = sqrt(var + eps), r = s / S clipped to [1/r_max, r_max] and d = (mean - M) / S clipped to
    [-d_max, d_max], both constants of the gradient. M and S are moving averages of mean and s from before the
    step. Evaluation is gamma (x - M) / S + beta.

    Training begins as plain batch norm (r = 1, d = 0), then both limits rise in straight lines; the layer
    counts its own training steps. Ioffe 2017, arXiv 1702.03275.
    """

    type: Literal["batch_renorm"] = "batch_renorm"
    momentum: float = Field(default=0.01, gt=0, le=1)
    """Weight of the newest batch in the moving averages."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn gamma and beta."""
    r_max: float = Field(default=3.0, ge=1, le=1e6)
    """Largest factor by which a batch's scale is corrected, once it is reached."""
    d_max: float = Field(default=5.0, ge=0, le=1e6)
    """Largest correction of a batch's mean, in moving standard deviations, once it is reached."""
    unit: Literal["run", "steps"] = "run"
    """Of the next three: shares of the run's steps, or optimizer steps (in the paper 5,000, 40,000 and 25,000)."""
    plain_until: float = Field(default=0.05, ge=0, le=1e9)
    """Until then plain batch norm."""
    r_max_at: float = Field(default=0.4, ge=0, le=1e9)
    """From then on r_max."""
    d_max_at: float = Field(default=0.25, ge=0, le=1e9)
    """From then on d_max."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""

    @model_validator(mode="after")
    def rises_after_its_beginning(self) -> Self:
        """The limits rise from `plain_until` on."""
        if min(self.r_max_at, self.d_max_at) < self.plain_until:
            raise ValueError("r_max_at and d_max_at must not be before plain_until")
        return self


NormLayer = BatchNorm | LayerNorm | InstanceNorm | GroupNorm | BatchRenorm
AnyNorm = Off | NormLayer
Norm = Annotated[AnyNorm, Field(discriminator="type"), one(AnyNorm)]
