"""Normalisation layers."""

from typing import Annotated, Literal

from pydantic import Field

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


NormLayer = BatchNorm | LayerNorm | InstanceNorm | GroupNorm
AnyNorm = Off | NormLayer
Norm = Annotated[AnyNorm, Field(discriminator="type"), one(AnyNorm)]
