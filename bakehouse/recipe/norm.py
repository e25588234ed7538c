"""Normalisation layers.

Each class has three constants that the rest of the program reads: `statistics`, whether mean and variance are those of
the batch or of each sample alone; `cancels_bias`, whether each mean is that of one channel, so that subtracting it also
removes the bias of the layer before; `inside_cells`, whether the norm also works inside a recurrent cell.
"""

from collections.abc import Mapping
from math import prod
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from bakehouse.recipe.ingredient import Ingredient, Off, one

Placement = Literal["before_activation", "after_activation"]
Shape = tuple[int, ...]
"""Shape of one sample: (features,) or (channels, height, width)."""


def scale_and_shift(shape: Shape) -> dict[str, Shape]:
    """Returns the shapes of the parameters gamma and beta, under torch's names."""
    return {"weight": shape, "bias": shape}


class BatchNorm(Ingredient):
    """Normalises each feature (each channel of images) by the batch's mean and biased variance, then scales and shifts:
    `y = gamma (x - mean) / sqrt(var + eps) + beta`. Evaluation uses moving averages.

    Default: torch's values. The moving averages store the unbiased variance, while training divides by the biased one.

    Trap: statistics of fewer than about 16 rows are noise; group_norm does not depend on the batch.

    Trap: dropout before it makes the variance in training larger than in evaluation: put dropout after the last norm,
    or see `variance_shift`.

    Trap: the scale of the weights before it cancels, so that l2 on them changes the effective learning rate and not the
    capacity.

    Ioffe & Szegedy 2015, arXiv 1502.03167.
    """

    statistics: ClassVar[Literal["batch"]] = "batch"
    cancels_bias: ClassVar[bool] = True
    inside_cells: ClassVar[bool] = True

    type: Literal["batch_norm"] = "batch_norm"
    momentum: float = Field(default=0.1, gt=0, le=1)
    """Weight of the newest batch in the moving averages (0.1 here is 0.9 in libraries that weight the old values)."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    affine: bool = True
    """Whether gamma and beta are learnt."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # the minimum, since every batch has at least two rows

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class LayerNorm(Ingredient):
    """Normalises each sample over all its features (channels, height and width of images); it does it does the same in
    training and evaluation.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one sample.

    Default: torch's values.

    Trap: on images it has a scale and a shift for each pixel of each channel; group_norm with one group has them for
    each channel, and is otherwise the same.

    Ba et al. 2016, arXiv 1607.06450.
    """

    statistics: ClassVar[Literal["sample"]] = "sample"
    cancels_bias: ClassVar[bool] = False
    inside_cells: ClassVar[bool] = True

    type: Literal["layer_norm"] = "layer_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    elementwise_affine: bool = True
    """Whether a scale and a shift are learnt for each element."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape)

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape) if self.elementwise_affine else {}


class RmsNorm(Ingredient):
    """Divides each sample by the root of its mean square over all its features (channels, height and width of images),
    and subtracts no mean: layer norm without centering, which takes less time.

    `y = gamma x / sqrt(mean(x^2) + eps)`

    Default: the eps of the other norms. torch's own is the machine epsilon, which depends on the precision.

    Trap: it learns no shift; the layers before it have their bias.

    Trap: on images it has a scale for each pixel of each channel.

    Zhang & Sennrich 2019, arXiv 1910.07467.
    """

    statistics: ClassVar[Literal["sample"]] = "sample"
    cancels_bias: ClassVar[bool] = False
    inside_cells: ClassVar[bool] = True

    type: Literal["rms_norm"] = "rms_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the mean square."""
    elementwise_affine: bool = True
    """Whether a scale is learnt for each element."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape)

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return {"weight": shape} if self.elementwise_affine else {}


class InstanceNorm(Ingredient):
    """Normalises each channel of each sample over height and width; images only.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one channel of one sample.

    Default: with gamma and beta, as in the paper; torch's own default is without.

    Trap: it removes the contrast of each image, by which classes may differ; it was made for style transfer.

    Ulyanov et al. 2016, arXiv 1607.08022.
    """

    statistics: ClassVar[Literal["sample"]] = "sample"
    cancels_bias: ClassVar[bool] = True
    inside_cells: ClassVar[bool] = False

    type: Literal["instance_norm"] = "instance_norm"
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    affine: bool = True
    """Whether a scale and a shift are learnt for each channel."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape[1:])

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class GroupNorm(Ingredient):
    """Normalises each sample over groups of channels, whatever the batch size.

    `y = gamma (x - mean) / sqrt(var + eps) + beta` with the mean and the biased variance of one group of one sample.

    Default: 8 groups, since the paper's 32 do not divide the 16 channels of small residual networks.

    Trap: with as many groups as channels it is instance norm.

    Wu & He 2018, arXiv 1803.08494.
    """

    statistics: ClassVar[Literal["sample"]] = "sample"
    cancels_bias: ClassVar[bool] = False
    inside_cells: ClassVar[bool] = True

    type: Literal["group_norm"] = "group_norm"
    num_groups: int = Field(default=8, ge=1)
    """Number of groups; it must divide the channels of every layer that is normalised."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    affine: bool = True
    """Whether a scale and a shift are learnt for each channel."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return prod(shape) / self.num_groups

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class BatchRenorm(Ingredient):
    """Batch norm whose training looks like its evaluation: `y = gamma (r (x - mean) / s + d) + beta` with `s = sqrt(var
    + eps)`, `r = s / S` clipped to [1/r_max, r_max] and `d = (mean - M) / S` clipped to [-d_max, d_max], both constants
    of the gradient. M and S are moving averages of mean and s, as they were before the step. Evaluation computes `gamma
    (x - M) / S + beta`.

    Training begins as plain batch norm (`r = 1, d = 0`); after this burn-in both limits rise linearly. The layer counts
    its training steps.

    Default: the paper's limits and momentum. The schedule is in shares of the run, since many runs are shorter than the
    paper's burn-in of 5,000 steps and would never leave it.

    Trap: S is a moving average of standard deviations, not of variances.

    Trap: at momentum 0.01 the moving averages need hundreds of steps to follow; evaluation after fewer steps mostly
    uses their first values.

    Ioffe 2017, arXiv 1702.03275.
    """

    hints: ClassVar[Mapping[str, str]] = {
        "plain_until": "it is called burn_in now",
        "r_max_at": "it is called r_max_from now",
        "d_max_at": "it is called d_max_from now",
    }
    statistics: ClassVar[Literal["batch"]] = "batch"
    cancels_bias: ClassVar[bool] = True
    inside_cells: ClassVar[bool] = True

    type: Literal["batch_renorm"] = "batch_renorm"
    momentum: float = Field(default=0.01, gt=0, le=1)
    """Weight of the newest batch in the moving averages."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    affine: bool = True
    """Whether gamma and beta are learnt."""
    r_max: float = Field(default=3.0, ge=1, le=1e6)
    """Largest factor by which a batch's scale is corrected, from `r_max_from` on."""
    d_max: float = Field(default=5.0, ge=0, le=1e6)
    """Largest correction of a batch's mean, in moving standard deviations, from `d_max_from` on."""
    unit: Literal["run", "steps"] = "run"
    """Unit of `burn_in`, `r_max_from` and `d_max_from`: shares of the run's steps, or optimizer steps (5,000, 40,000
    and 25,000 in the paper)."""
    burn_in: float = Field(default=0.05, ge=0, le=1e9)
    """End of the burn-in, during which the layer is plain batch norm."""
    r_max_from: float = Field(default=0.4, ge=0, le=1e9)
    """Time from which the limit of r is `r_max`."""
    d_max_from: float = Field(default=0.25, ge=0, le=1e9)
    """Time from which the limit of d is `d_max`."""
    placement: Placement = "before_activation"
    """Place of the norm: between affine layer and activation, or after the activation."""

    @model_validator(mode="after")
    def rises_after_its_beginning(self) -> Self:
        """Raises ValueError if a limit is reached before the burn-in ends."""
        if min(self.r_max_from, self.d_max_from) < self.burn_in:
            raise ValueError("r_max_from and d_max_from must not be before burn_in")
        return self

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # the minimum, since every batch has at least two rows

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


class CrossIterationBatchNorm(Ingredient):
    """Batch norm over the last `window` iterations: earlier means and mean squares are corrected for the current
    weights theta of the layer before, `mu_s + <dmu_s/dtheta, theta - theta_s>` and likewise nu_s, and then `y = gamma
    (x - mean) / sqrt(var + eps) + beta` with `mean = (1/k) sum mu_s` and `var = (1/k) sum max(nu_s, mu_s^2) - mean^2`.
    Only the current iteration's share has a gradient. Evaluation uses moving averages, as batch norm does.

    It is made for batches that are too small for batch norm. At the beginning it averages over as many iterations as
    there are, and a smaller last batch counts as much as any other.

    Default: three earlier iterations and the current one, as in the authors' code; a tenth of the run as burn-in, since
    that code's 8 epochs may be all of a run.

    Trap: it needs the weights of the convolution or fully-connected layer directly before it: networks with the norm
    before the convolution do not have them.

    Trap: it keeps `window` - 1 copies of the derivatives, each as large as the weights.

    Yao et al. 2021, arXiv 2002.05712.
    """

    hints: ClassVar[Mapping[str, str]] = {"plain_until": "it is called burn_in now"}
    statistics: ClassVar[Literal["batch"]] = "batch"
    cancels_bias: ClassVar[bool] = True
    inside_cells: ClassVar[bool] = False

    type: Literal["cross_iteration_batch_norm"] = "cross_iteration_batch_norm"
    window: int = Field(default=4, ge=1, le=64)
    """Iterations whose statistics are averaged, the current one included; 1 is batch norm."""
    momentum: float = Field(default=0.1, gt=0, le=1)
    """Weight of the newest batch in the moving averages (0.1 here is 0.9 in libraries that weight the old values)."""
    eps: float = Field(default=1e-5, gt=0, le=1)
    """Number added to the variance."""
    affine: bool = True
    """Whether gamma and beta are learnt."""
    unit: Literal["run", "steps"] = "run"
    """Unit of `burn_in`: share of the run's steps, or optimizer steps."""
    burn_in: float = Field(default=0.1, ge=0, le=1e9)
    """End of the burn-in, during which the layer is plain batch norm: while all layers change fast, the statistics of
    earlier iterations are wrong, since only the change of the layer directly before is corrected."""
    placement: Literal["before_activation"] = "before_activation"
    """Place of the norm: directly after the weights, the only place where their change can be corrected."""

    def numbers_per_mean(self, shape: Shape) -> float:
        return 2 * prod(shape[1:])  # the minimum, since every batch has at least two rows

    def learned(self, shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(shape[:1]) if self.affine else {}


NormLayer = BatchNorm | LayerNorm | RmsNorm | InstanceNorm | GroupNorm | BatchRenorm | CrossIterationBatchNorm
BATCH_NORMS: tuple[type[NormLayer], ...] = tuple(kind for kind in get_args(NormLayer) if kind.statistics == "batch")
AnyNorm = Off | NormLayer
Norm = Annotated[AnyNorm, Field(discriminator="type"), one(AnyNorm)]
