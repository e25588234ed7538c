"""Diagnostics: what explains a curve. Measured when an epoch ends, on a probe: rows of the training split that stay the
same for the whole run. They change nothing: weights, buffers, metrics and random draws are those of a run without."""

from typing import Annotated, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, several

Rows = Annotated[int, Field(ge=2, le=10**9)] | Literal["all"]


class VarianceShift(Ingredient):
    """How far each batch norm's variance in training is from what evaluation brings it: `moving` is the mean over
    channels of the variance that the layer divides by in evaluation, `real` the same mean of the unbiased variance of
    its inputs over the probe in evaluation mode with augmentation as in training (all but `mixup` and `cutmix`),
    `ratio` `max(real / moving, moving / real)`, `worst_ratio` the largest of all layers. For batch_renorm the variance
    is the square of its moving deviation.

    Dropout before a norm is the usual cause of a ratio far above 1: the norm learns a variance that only training has.
    `evaluation.statistics: population` measures it anew without dropout. In the first epochs the averages simply lag.
    Costs a forward pass. Li et al. 2018, arXiv 1801.05134, section 3.
    """

    type: Literal["variance_shift"] = "variance_shift"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class TrainEvalGap(Ingredient):
    """Loss and accuracy (or absolute error) of the same weights on the same augmented rows (`mixup` and `cutmix`
    left out), once as in training (dropout on, batch norm by the statistics of the batch) and once as in evaluation:
    `train_mode_loss`, `eval_mode_loss` and so on. Both losses are the clean objective. Accuracy that is lower in
    evaluation mode is the variance shift at work; with dropout alone it is higher. Costs two forward passes. Li et al.
    2018, arXiv 1801.05134, figure 5.
    """

    type: Literal["train_eval_gap"] = "train_eval_gap"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class InconsistentSamples(Ingredient):
    """Rows that are told right in training mode and wrong in evaluation mode, and the other way round, under the same
    augmentation: share, count, and the first 20 by their place in the training split. Classification only; of several
    targets, the data set's own. Costs two forward passes. Li et al. 2018, arXiv 1801.05134, figure 6.
    """

    type: Literal["inconsistent_samples"] = "inconsistent_samples"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class Saturation(Ingredient):
    """For each layer of sigmoid or tanh, the share of its outputs where it is flat: `a (1 - a) < 0.01` for sigmoid, and
    `1 - a^2 < 0.04` for tanh, which is the same place (`tanh(x) = 2 sigmoid(2x) - 1`). In evaluation mode, without
    augmentation. Gradients hardly pass there: the slope of sigmoid is at most 0.25, and that of a chain of L layers at
    most `0.25^L`. Costs a forward pass. Glorot & Bengio 2010, AISTATS.
    """

    type: Literal["saturation"] = "saturation"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class GradientNorms(Ingredient):
    """For each layer with weights, the length of the gradient of the objective without penalties in its weights, and
    the ratio of the first layer's to the last one's: far below 1 it vanishes on its way, far above it explodes. The
    mean over the probe as a training step would see it, dropout and augmentation on; nothing is applied. Costs a
    forward and a backward pass. Glorot & Bengio 2010, AISTATS.
    """

    type: Literal["gradient_norms"] = "gradient_norms"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class ActivationDrift(Ingredient):
    """For each layer with weights, mean and variance of its inputs, and how far they moved since the epoch before:
    `mean_drift` is `|mean - mean before| / std before` and `variance_ratio` `variance / variance before`, both over all
    numbers that the layer gets. In evaluation mode, without augmentation. The first epoch has nothing to compare with.

    What was called internal covariate shift; whether it explains what norms do is contested (Santurkar et al. 2018,
    arXiv 1805.11604), so this only reports. Costs a forward pass. Ioffe & Szegedy 2015, arXiv 1502.03167.
    """

    type: Literal["activation_drift"] = "activation_drift"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class Sparsity(Ingredient):
    """Share of weights that are exactly 0, for each layer with weights and in all, and share of activations that are
    exactly 0 on the probe (in evaluation mode, without augmentation) and of units that are 0 on all of it. Only
    `l1` with its proximal step makes weights exactly 0; `relu` makes activations so, and a unit that is 0 everywhere
    learns nothing more. Costs a forward pass. Glorot et al. 2011, AISTATS.
    """

    type: Literal["sparsity"] = "sparsity"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


class CleanGap(Ingredient):
    """What makes the training loss look worse than the model is: `train_objective`, the objective as a step sees it
    (smoothing, augmentation, adversary, dropout; no penalties), against `train_clean_loss` and `train_clean_accuracy`
    of the same rows in evaluation mode without any of these; `gap` is their difference. Compare the validation loss
    with the clean one. Costs two forward passes, more with an adversary. Goodfellow et al. 2016, 7.4 and 7.5.
    """

    type: Literal["clean_gap"] = "clean_gap"
    rows: Rows = 512
    """Of the probe, or `all`: the whole training split."""


AnyDiagnostic = (
    VarianceShift
    | TrainEvalGap
    | InconsistentSamples
    | Saturation
    | GradientNorms
    | ActivationDrift
    | Sparsity
    | CleanGap
)
Tagged = Annotated[AnyDiagnostic, Field(discriminator="type")]
Diagnostics = Annotated[tuple[Tagged, ...], Field(max_length=8), several(AnyDiagnostic)]
