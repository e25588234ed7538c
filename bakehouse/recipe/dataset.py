"""The data that a recipe trains on, and how they are split and scaled."""

from typing import ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.split import Random, SplitRule


class Dataset(Ingredient):
    """A data set, its split and its normalisation.

    Default: `standardize`, so that all inputs are on one scale; a fifth of the rows decides when to stop and which
    epoch is best.

    Whitening also decorrelates: with z the inputs of the training split, centred (each pixel by itself) and divided by
    the standard deviation of their feature or channel, and `cov z = U diag(lambda) U^T`, the first layer gets `W z`
    with `W = U diag(1 / sqrt(lambda + epsilon)) U^T`, the whitening that changes z least (ZCA: Bell & Sejnowski 1997,
    The "independent components" of natural scenes are edge filters; Krizhevsky 2009, Learning Multiple Layers of
    Features from Tiny Images, appendix A; of standardised columns: Kessy et al. 2018, arXiv 1512.00809).

    Trap: under `min_max` one outlier squeezes all other values together, and rows outside the training split may leave
    [0, 1].

    Trap: `whiten` enlarges everything that hardly varies in the training split, noise too. With fewer training rows
    than numbers in a sample, some directions do not vary at all there, but do in new rows: a larger epsilon keeps them
    small.
    """

    main: ClassVar[str | None] = "id"
    later_fields: ClassVar[frozenset[str]] = frozenset({"bootstrap", "split", "whitening_epsilon"})

    id: str = Field(min_length=1, max_length=64)
    """Name of a built-in data set, or of your own file or folder; `GET /v1/datasets` lists all."""
    target: str | None = Field(default=None, min_length=1, max_length=256)
    """Column to predict, for a table with named columns. All other columns are inputs."""
    normalization: Literal["none", "standardize", "min_max", "whiten"] = "standardize"
    """Scaling of the inputs, fitted on the training split only and stored in the checkpoint. `standardize` gives mean 0
    and biased variance 1, `min_max` gives [0, 1]; both act per feature for tables, per channel for images, and per
    number of a step (over all steps) for sequences. `whiten` gives mean 0 and covariance I, apart from epsilon, over
    the features of a table, all pixels and channels of an image, or the numbers of a step; at most 4,096 of them."""
    whitening_epsilon: float | None = Field(default=None, gt=0, le=1)
    """Number that `whiten` adds to each variance lambda; the mean of lambda is 1. By default 0.01 for images and
    0.00001 for tables and sequences."""
    split: SplitRule = Random()
    """Rule that divides the rows of a table among training, validation and test. A data set whose files have splits
    keeps them."""
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the rows outside the test split that is used for validation, which decides when to stop and which epoch
    is best. It is ignored if the data set has its own validation split."""
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the split, independent of the run's `seed`, so that runs with different seeds have the same split."""
    bootstrap: bool = False
    """Trains on as many rows as the training split has, drawn from it with replacement by the run's `seed`: on average
    63 % of its rows, some more than once. Everything that is fitted on training rows is fitted on these; validation and
    test stay as they are. Averaging over runs with different seeds is bagging (Breiman 1996, Bagging Predictors)."""
