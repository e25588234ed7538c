"""Diagnostics: measurements that explain a learning curve. They are taken at the end of each epoch on a probe: rows of
the training split that stay the same for the whole run. They change nothing: weights, buffers, metrics and random
numbers are those of a run without them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Chart, Ingredient, several

Rows = Annotated[int, Field(ge=2, le=10**9)] | Literal["all"]


class VarianceShift(Ingredient):
    """Measures how far each batch norm's moving variance is from the variance of its inputs in evaluation.

    `moving` is the mean over channels of the variance that the layer divides by in evaluation, `real` is the same mean
    of the unbiased variance of its inputs over the probe in evaluation mode with augmentation as in training (all but
    `mixup` and `cutmix`), `ratio` is `max(real / moving, moving / real)`, and `worst_ratio` is the largest ratio of all
    layers. For batch_renorm the variance is the square of its moving deviation.

    Dropout before a norm is the usual cause of a ratio far above 1: the norm learns a variance that occurs only in
    training. `evaluation.statistics: population` measures the variance again without dropout. This diagnostic costs a
    forward pass.

    Default: 512 rows, eight batches of the default size; the paper measured all rows.

    Trap: in the first epochs the moving averages simply lag.

    Li et al. 2018, arXiv 1801.05134, section 3.
    """

    type: Literal["variance_shift"] = "variance_shift"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class TrainEvalGap(Ingredient):
    """Compares the loss and accuracy (or absolute error) of the same weights on the same augmented rows in training
    mode and in evaluation mode.

    The values are `train_mode_loss`, `eval_mode_loss` and so on; in training mode dropout is on and
    batch norm uses the statistics of the batch. `mixup` and `cutmix` are left out. Both losses are the clean objective.
    This diagnostic costs two forward passes.

    Default: 512 rows, which measure an accuracy to about 2 points (one standard error).

    Trap: dropout alone makes accuracy higher in evaluation mode; if it is lower, the cause is variance shift.

    Li et al. 2018, arXiv 1801.05134, figure 5.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Training mode and evaluation mode", values=("train_mode_loss", "eval_mode_loss")),
    )

    type: Literal["train_eval_gap"] = "train_eval_gap"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class InconsistentSamples(Ingredient):
    """Finds the rows that are predicted correctly in training mode and wrongly in evaluation mode, and vice versa,
    under the same augmentation. The values are their share, their count, and the first 20 by their index in the
    training split (with `dataset.bootstrap`, among the drawn rows in rising order).

    For classification only; with several targets, the data set's own target is measured. This diagnostic costs two
    forward passes.

    Default: 512 rows, which measure a share to about 2 points (one standard error).

    Trap: rows near the decision boundary change with the dropout mask alone; many rows that are predicted correctly
    only in training mode are the sign of variance shift.

    Li et al. 2018, arXiv 1801.05134, figure 6.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(
            title="Inconsistent samples", values=("only_in_training_share", "only_in_evaluation_share"), is_share=True
        ),
    )

    type: Literal["inconsistent_samples"] = "inconsistent_samples"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class Saturation(Ingredient):
    """Measures, for each layer of sigmoid or tanh, the share of its outputs at which the function is flat.

    An output a counts if `a (1 - a) < 0.01` for sigmoid, and `1 - a^2 < 0.04` for tanh, which is
    the same region (`tanh(x) = 2 sigmoid(2x) - 1`). Everything is measured in evaluation mode, without augmentation.
    Gradients nearly vanish there: the slope of sigmoid is at most 0.25, and that of a chain of L layers at most
    `0.25^L`. This diagnostic costs a forward pass.

    Default: 512 rows, which give 512 outputs of each unit.

    Trap: dead units of relu are counted by `sparsity`, not here.

    Glorot & Bengio 2010, AISTATS.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Saturation", values=("saturated",), layers="layers", is_share=True),
    )

    type: Literal["saturation"] = "saturation"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class GradientNorms(Ingredient):
    """Measures, for each layer with weights, the length of the gradient of the objective without penalties with respect
    to its weights, and the ratio of the first layer's length to the last layer's: far below 1 the gradient vanishes,
    far above 1 it explodes.

    The gradient is the mean over the probe with dropout and augmentation on; it changes no weight. This diagnostic
    costs a forward and a backward pass.

    Default: 512 rows, eight batches of the default size.

    Trap: before a norm the gradient is shorter the larger the weights are, so that a ratio far from 1 is not always a
    problem.

    Glorot & Bengio 2010, AISTATS.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Gradient norms", values=("norms",), layers="layers", is_log=True),
        Chart(title="Gradient, first layer to last", values=("first_to_last",), is_log=True),
    )

    type: Literal["gradient_norms"] = "gradient_norms"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class ActivationDrift(Ingredient):
    """Measures, for each layer with weights, the mean and variance of its inputs, and how far they have moved since the
    previous epoch.

    `mean_drift` is `|mean - mean before| / std before` and `variance_ratio` is `variance / variance before`, both over
    all input numbers of the layer. Everything is measured in evaluation mode, without augmentation. The first epoch has
    nothing to compare with. This diagnostic costs a forward pass.

    Default: 512 rows, always the same, so that only changed weights cause drift.

    Trap: this was called internal covariate shift; whether it explains what norms do is contested (Santurkar et al.
    2018, arXiv 1805.11604), so a large drift alone is not a problem.

    Ioffe & Szegedy 2015, arXiv 1502.03167.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Drift of the inputs of layers", values=("mean_drift",), layers="layers"),
    )

    type: Literal["activation_drift"] = "activation_drift"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class Sparsity(Ingredient):
    """Measures the share of weights that are exactly 0, in each layer and in the whole model, the share of activations
    that are exactly 0 on the probe, and the share of units that are 0 on all rows of the probe.

    Everything is measured in evaluation mode, without augmentation. `relu` makes activations exactly 0; a unit that is
    0 everywhere learns nothing more. This diagnostic costs a forward pass.

    Default: 512 rows: a unit that is 0 on all of them most likely answers to fewer than 1 row in 100.

    Trap: only `l1` with its proximal step makes weights exactly 0; weights that are merely small do not count.

    Glorot et al. 2011, AISTATS.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Dead units", values=("dead_units",), layers="activations", is_share=True),
        Chart(title="Zero activations", values=("zero_activations",), layers="activations", is_share=True),
    )

    type: Literal["sparsity"] = "sparsity"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


class CleanGap(Ingredient):
    """Measures how much worse the training loss looks than the model is.

    `train_objective` is the objective as a step sees it (smoothing, augmentation, adversary, dropout; no penalties),
    `train_clean_loss` and `train_clean_accuracy` are measured on the same rows in evaluation mode without any of these,
    and `gap` is the difference of the losses. This diagnostic costs two forward passes, more with an adversary.

    Default: 512 rows, the same for both, so that their choice hardly moves the gap.

    Trap: compare the validation loss with the clean one, not with the objective.

    Goodfellow et al. 2016, 7.4 and 7.5.
    """

    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Objective and clean loss", values=("train_objective", "train_clean_loss")),
    )

    type: Literal["clean_gap"] = "clean_gap"
    rows: Rows = 512
    """Number of rows in the probe; `all` is the whole training split."""


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
