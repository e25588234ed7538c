"""How a run is measured. Validation is always clean: without augmentation and smoothing, in evaluation mode."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bakehouse.recipe.ingredient import Ingredient, as_tuple, part, written_as

MONITORS = ("validation_loss", "validation_accuracy", "validation_mean_absolute_error", "validation_r2")
"""The monitors of the data set's own target."""
Monitor = Annotated[str, Field(min_length=1, max_length=300, examples=[*MONITORS])]


def is_higher_better(metric: str) -> bool:
    """Accuracies and R^2 are better when higher; all other metrics are losses and errors, 0 at best."""
    return metric.endswith(("_accuracy", "_r2"))


Scale = Annotated[int, Field(ge=1, le=4096)]
ScalesAsTuple = BeforeValidator(as_tuple, json_schema_input_type=list[int] | int)


class Crops(Ingredient):
    """The best weights are also tested on every test image in several sizes and positions: at each scale the image is
    resized, the corners and the centre are cut out in the network's input size, with their mirror images if `flips` is
    set, and the mean of all probabilities (in a regression, of the values) is measured as `test_crops_loss` and so on.

    Each scale counts the same: places that coincide count as often as they do, so that a square image at its own size
    is five times one crop.

    Default: three sizes up to a quarter larger, and mirror images only if training had them.

    Trap: mirror images are wrong where they mean something else.

    Trap: a network that was trained at one size may be worse on larger images: see `scale_crop`.

    Simonyan & Zisserman 2015, arXiv 1409.1556, section 3.2; He et al. 2016, arXiv 1512.03385, section 3.4.
    """

    main: ClassVar[str | None] = "scales"

    scales: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=16), ScalesAsTuple] | None = None
    """Lengths of the shorter side in pixels, the aspect kept (the longer side is rounded down); at least the image's
    own size. By default 1, 1 1/8 and 1 1/4 times that size, rounded up."""
    flips: bool | None = None
    """Also mirrored left to right, which doubles the crops; by default if the augmentation has `horizontal_flip`."""


def crops_or_none(value: object) -> object:
    """Null stays; numbers are the scales."""
    return value if value is None else written_as(Crops, value)


CropsPart = Annotated[
    Crops | None, BeforeValidator(crops_or_none, json_schema_input_type=Crops | list[int] | int | None)
]


class Evaluation(Ingredient):
    """The metric for early stopping and `best`, and how the model is measured.

    `statistics: population` measures batch norm with the statistics of the whole training split, taken with dropout
    off, instead of moving averages (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 2; Li et al. 2018, arXiv
    1801.05134, table 3). `monte_carlo_samples` averages over dropout masks (Gal & Ghahramani 2016, arXiv 1506.02142).

    Default: the validation loss, which distinguishes epochs of equal accuracy; measurements that cost further passes
    are off.

    Trap: statistics that are taken with dropout on, as by torch's `update_bn`, contain the variance that dropout adds
    and evaluation does not have.

    Trap: the epoch was chosen by the validation split, whose metrics are therefore a little too good: report those of
    the test split.
    """

    main: ClassVar[str | None] = "monitor"

    monitor: Monitor = "validation_loss"
    """Losses and errors are better when lower, accuracy and R^2 when higher. Never the test split. `validation_loss`;
    of classes `validation_accuracy`, of numbers `validation_mean_absolute_error` and `validation_r2`. With
    `objective.tasks`, `validation_loss` is the weighted sum, these are of the data set's own target, and
    `validation_main_loss` is too; a task has `validation_TARGET_loss`, `validation_TARGET_accuracy` and so on."""
    statistics: Literal["moving", "population"] = "moving"
    """`population`: at each validation, mean and variance of each batch norm's inputs over all training rows, dropout
    and augmentation off, which measure the epoch and are stored in its checkpoint; costs a forward pass over the
    training split each epoch. The moving averages of training itself are not changed."""
    crops: CropsPart = None
    """Measured once, for the best weights, on the test split; null is off."""
    monte_carlo_samples: int = Field(default=0, ge=0, le=1000)
    """Passes over the test split, each with other dropout masks, once, for the best weights; norms are in evaluation
    mode. The mean of the probabilities is measured as `test_monte_carlo_loss` and so on, and `test_monte_carlo_entropy`
    is the mean entropy of these probabilities in nats (in a regression the mean over rows of the standard deviation of
    the values, `test_monte_carlo_std`). 10 to 20 often suffice; 0 is off."""


EvaluationPart = Annotated[Evaluation, part(Evaluation)]
