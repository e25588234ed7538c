"""Normalisation layers."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bakehouse.recipe.ingredient import Ingredient, Off, one

Placement = Literal["before_activation", "after_activation"]
Shape = tuple[int, ...]
"""One sample's shape: (features,) or (channels, height, width)."""


def scale_and_shift(shape: Shape) -> dict[str, Shape]:
    """The parameters gamma and beta under torch's names."""
    return {"weight": shape, "bias": shape}


class BatchNorm(Ingredient):
    """Normalises each feature (each channel of images) by the batch's mean and biased variance, then scales and shifts:
    `y = gamma (x - mean) / sqrt(var + eps) + beta`. Evaluation uses moving averages.

    Default: torch's. The moving averages store the unbiased variance, while training divides by the biased one.

    Trap: statistics of fewer than about 16 rows are noise; group_norm does not depend on the batch.

    Trap: dropout before it makes the variance in training larger than in evaluation: put dropout behind the last norm,
    or see `variance_shift`.

    Trap: weights before it have no scale of their own, so that l2 on them changes the effective learning rate and not
    the capacity.

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

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # at least: every batch has two rows or more

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class LayerNorm(Ingredient):
    """Normalises each sample over all its features (channels, height and width of images); the same in training and
    evaluation.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one sample.

    Default: torch's.

    Trap: on images it has a scale and a shift for each pixel of each channel; group_norm with one group has them for
    each channel, and is otherwise the same.

    Ba et al. 2016, arXiv 1607.06450.
    """

    type: Literal["layer_norm"] = "layer_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    elementwise_affine: bool = True
    """Learn a scale and a shift for each element."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape)

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape) if self.elementwise_affine else {}


class InstanceNorm(Ingredient):
    """Normalises each channel of each sample over height and width; images only.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one channel of one sample.

    Default: with gamma and beta, as in the paper; torch's own default is without.

    Trap: it takes the contrast out of each image, which classes may differ in; it was made for style transfer.

    Ulyanov et al. 2016, arXiv 1607.08022.
    """

    type: Literal["instance_norm"] = "instance_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn a scale and a shift for each channel."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape[1:])

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class GroupNorm(Ingredient):
    """Normalises each sample over groups of channels, whatever the batch size.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one group of one sample.

    Default: 8 groups, since the paper's 32 do not divide the 16 channels of small residual networks.

    Trap: as many groups as channels are instance norm.

    Wu & He 2018, arXiv 1803.08494.
    """

    type: Literal["group_norm"] = "group_norm"
    num_groups: int = Field(default=8, ge=1)
    """Must divide the channels of every layer that is normalised."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn a scale and a shift for each channel."""
    placement: Placement = "before_activation"
    """Between affine layer and activation, or on the activation's output."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape) / self.num_groups

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class BatchRenorm(Ingredient):
    """Batch norm whose training looks like its evaluation: `y = gamma (r (x - mean) / s + d) + beta` with `s = sqrt(var
    + eps)`, `r = s / S` clipped to [1/r_max, r_max] and `d = (mean - M) / S` clipped to [-d_max, d_max], both constants
    of the gradient. M and S are moving averages of mean and s from before the step. Evaluation is `gamma (x - M) / S +
    beta`.

    Training begins as plain batch norm (`r = 1, d = 0`), then both limits rise in straight lines; the layer counts its
    own training steps.

    Default: the paper's limits and momentum. The schedule is in shares of the run, since the 5,000 plain steps of the
    paper are longer than many runs, which would never leave batch norm.

    Trap: S is a moving average of standard deviations, not of variances.

    Trap: at momentum 0.01 the moving averages follow over hundreds of steps; evaluation after fewer uses what the run
    began with.

    Ioffe 2017, arXiv 1702.03275.
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

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # at least: every batch has two rows or more

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class CrossIterationBatchNorm(Ingredient):
    """Batch norm over the last `window` iterations: earlier means and mean squares are carried to the present weights
    theta of the layer before, `mu_s + <dmu_s/dtheta, theta - theta_s>` and likewise nu_s, and then `y = gamma (x -
    mean) / sqrt(var + eps) + beta` with `mean = (1/k) sum mu_s` and `var = (1/k) sum max(nu_s, mu_s^2) - mean^2`. Only
    the present iteration's share has a gradient. Evaluation uses moving averages, as batch norm does.

    For batches too small for batch norm. Before there are `window` iterations it takes those that there are, and a
    smaller last batch counts as much as any.

    Default: three earlier iterations and the present one, as in the authors' code; a tenth of the run as burn-in, since
    that code's 8 epochs may be all of a run.

    Trap: it needs the weights of the convolution or fully-connected layer directly before it: networks with the norm
    before the convolution do not have them.

    Trap: it keeps `window` - 1 copies of the slopes, each the size of the weights.

    Yao et al. 2021, arXiv 2002.05712.
    """

    type: Literal["cross_iteration_batch_norm"] = "cross_iteration_batch_norm"
    window: int = Field(default=4, ge=1, le=64)
    """Iterations whose statistics are averaged, the present one included; 1 is batch norm."""
    momentum: float = Field(default=0.1, gt=0, le=1)
    """Weight of the newest batch in the moving averages (0.1 here is 0.9 where old values are weighted)."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Added to the variance."""
    affine: bool = True
    """Learn gamma and beta."""
    unit: Literal["run", "steps"] = "run"
    """Of `plain_until`: share of the run's steps, or optimizer steps."""
    plain_until: float = Field(default=0.1, ge=0, le=1e9)
    """Until then plain batch norm (burn-in): while the layers below change fast, what earlier iterations say is wrong,
    since only the change of the layer directly before is made up for."""
    placement: Literal["before_activation"] = "before_activation"
    """Directly behind the weights, the only place where their change can be made up for."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # at least: every batch has two rows or more

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


NormLayer = BatchNorm | LayerNorm | InstanceNorm | GroupNorm | BatchRenorm | CrossIterationBatchNorm
AnyNorm = Off | NormLayer
Norm = Annotated[AnyNorm, Field(discriminator="type"), one(AnyNorm)]
