"""Evaluation: the measurements of a run. Validation is always clean: without augmentation and smoothing, in evaluation
mode."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from bakehouse.recipe.ingredient import Ingredient, as_names, as_tuple, part, written_as

ClassMeasure = Literal["balanced_accuracy", "f1", "auroc"]
CLASS_MEASURES: tuple[ClassMeasure, ...] = get_args(ClassMeasure)
"""Metrics of classes that are measured only if a recipe lists or monitors them."""
MONITORS = (
    *("validation_loss", "validation_accuracy"),
    *("validation_mean_absolute_error", "validation_r2", "validation_root_mean_squared_error"),
    *(f"validation_{measure}" for measure in CLASS_MEASURES),
)
"""Metrics of the data set's own target that a recipe can monitor."""
Monitor = Annotated[str, Field(min_length=1, max_length=300, examples=[*MONITORS])]


def is_higher_better(metric: str) -> bool:
    """Returns whether a higher value is better: true for accuracies, F1, AUROC and R^2, false for losses and errors."""
    return metric.endswith(("_accuracy", "_r2", "_f1", "_auroc"))


Scale = Annotated[int, Field(ge=1, le=4096)]
ScalesAsTuple = BeforeValidator(as_tuple, json_schema_input_type=list[int] | int)


class Crops(Ingredient):
    """The best weights are also tested on several crops of every test image. At each scale the image is resized, and
    windows of the network's input size are cut out at the corners and the centre, with mirror images if `flips` is set.
    `test_crops_loss` and so on are computed from the mean of all probabilities (in a regression, of the values).

    Each scale has the same weight, since crops that coincide all count: a square image at its own size gives five equal
    crops.

    Default: three sizes up to a quarter larger, and mirror images only if training had them.

    Trap: mirror images are wrong if mirroring changes what an image means.

    Trap: a network that was trained at one size may be worse on larger images: see `scale_crop`.

    Simonyan & Zisserman 2015, arXiv 1409.1556, section 3.2; He et al. 2016, arXiv 1512.03385, section 3.4.
    """

    main: ClassVar[str | None] = "scales"

    scales: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=16), ScalesAsTuple] | None = None
    """Sizes to which each image is resized, as pixels of its shorter side. The aspect ratio is kept (the longer side is
    rounded down). Each must be at least the image's own size. By default 1, 1.125 and 1.25 times that size, rounded
    up."""
    flips: bool | None = None
    """Whether to add the mirror image of each crop; by default true if the augmentation has `horizontal_flip`."""


def crops_or_none(value: object) -> object:
    """Returns null unchanged, and expands numbers to an object with these scales."""
    return value if value is None else written_as(Crops, value)


CropsPart = Annotated[
    Crops | None, BeforeValidator(crops_or_none, json_schema_input_type=Crops | list[int] | int | None)
]


class Evaluation(Ingredient):
    """The metric for early stopping and `best`, and how the model is measured.

    `statistics: population` evaluates batch norm with the statistics of the whole training split, measured with dropout
    off, instead of moving averages (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 2; Li et al. 2018, arXiv
    1801.05134, table 3). `monte_carlo_samples` averages over dropout masks (Gal & Ghahramani 2016, arXiv 1506.02142).

    `metrics` are those of scikit-learn. `balanced_accuracy` is the mean over the classes of the split of the share of
    their rows that is predicted correctly. `f1` is the mean over the classes that are labels or predictions of
    `2 hits / (labels + predictions)`. `auroc` is the area under the ROC curve of the second of two classes, the chance
    that a row of it has a higher probability of it than a row of the first (a tie counts half); of more classes it is
    the mean area of each class against the rest.

    Default: the validation loss, which distinguishes epochs of equal accuracy; measurements that cost further passes
    are off.

    Trap: statistics that are measured with dropout on, as by torch's `update_bn`, contain the variance that dropout
    adds and evaluation does not have.

    Trap: the best epoch was chosen by the validation split, whose metrics are therefore a little too good: report those
    of the test split.

    Trap: a class that no row of a split has counts in none of these means there; scikit-learn refuses the `auroc` of
    such a split. If all rows have one class, no area exists: `auroc` is left out, and refused as the monitor.
    """

    main: ClassVar[str | None] = "monitor"
    later_fields: ClassVar[frozenset[str]] = frozenset({"metrics"})

    monitor: Monitor = "validation_loss"
    """Metric of the validation split that decides which epoch is best. Lower is better for losses and errors, higher
    for all others. It is `validation_loss`, for classes also `validation_accuracy`, `validation_balanced_accuracy`,
    `validation_f1` and `validation_auroc`, for numbers also `validation_mean_absolute_error`, `validation_r2` and
    `validation_root_mean_squared_error`. With `objective.tasks`, `validation_loss` is the weighted sum over all
    targets; the other metrics and `validation_main_loss` are those of the data set's own target, and each task has
    `validation_TARGET_loss`, `validation_TARGET_accuracy` and so on."""
    metrics: Annotated[
        tuple[ClassMeasure, ...], BeforeValidator(as_names, json_schema_input_type=list[ClassMeasure] | ClassMeasure)
    ] = ()
    """Further metrics of all targets that are classes, on the validation split after each epoch and on the test split
    with the best weights. The monitor is measured without being listed. `auroc` keeps the outputs for all rows of the
    split, at most 2^26 numbers, 256 MiB."""
    statistics: Literal["moving", "population"] = "moving"
    """Statistics of batch norms in evaluation. `moving`: the moving averages of training. `population`: at each
    validation, the mean and variance of each batch norm's inputs over all training rows, with dropout and augmentation
    off. They are stored in the epoch's checkpoint, and training's own moving averages are not changed. This costs a
    forward pass over the training split each epoch."""
    crops: CropsPart = None
    """Test on several crops, made once, with the best weights on the test split; null is off."""
    monte_carlo_samples: int = Field(default=0, ge=0, le=1000)
    """Number of passes over the test split with dropout on, each with new masks. They are made once, with the best
    weights and with norms in evaluation mode. `test_monte_carlo_loss` and so on are computed from the mean of the
    probabilities; `test_monte_carlo_entropy` is the mean entropy of these probabilities in nats (in a regression,
    `test_monte_carlo_std` is the mean over rows of the standard deviation of the values). 10 to 20 often suffice; 0 is
    off."""


EvaluationPart = Annotated[Evaluation, part(Evaluation)]
