"""The data that a recipe trains on, and how they are split and scaled."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bakehouse.recipe.ingredient import Ingredient, as_names, written_as
from bakehouse.recipe.shuffle import Full, Shuffle
from bakehouse.recipe.split import Random, SplitRule

MAX_NAMED = 2_000
"""Limit on the columns that each field names, so that a recipe stays below the number of values of one document."""
MAX_UNREADABLE = 0.01
"""Share of unreadable pictures up to which a recipe takes a data set, unless it says otherwise."""
VALIDATION_FRACTION = 0.2
"""Share of the rows outside the test split that validate, unless the recipe says otherwise."""
ChosenKind = Literal["number", "category", "boolean", "date", "identifier", "text"]


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
    BeforeValidator(as_names, json_schema_input_type=list[str]),
    Field(max_length=MAX_NAMED),
]


def refuse_address(value: object) -> object:
    """Raises ValueError for an address in place of a name; returns anything else."""
    if isinstance(value, str) and "://" in value:
        raise ValueError(
            "should be a name, not an address: `bakehouse data add ADDRESS`, or POST /v1/datasets with the address as "
            "`source`, makes a data set of it, if the setting BAKEHOUSE_DATASET_HOSTS lists its host; or else download "
            "the file and `bakehouse data add FILE`"
        )
    return value


class Columns(Ingredient):
    """The columns of a table that are inputs, and how the model's first layer encodes them.

    A `number` or `boolean` (0 and 1) is scaled by `normalization`. A `category` becomes one-hot: a feature for each of
    its classes, of which one is 1; a class that is not in the training split gives zeros, like an unknown one. In `mlp`
    a category of many classes is then embedded. A `date` becomes its number, scaled, and sine and cosine of its place
    in the year (of 365.2425 days) and in the week, and in the day if the column has times. Everything that is fitted is
    fitted on the known values of the training split, and is stored in the checkpoint. A table whose inputs are all
    numbers without a gap is only scaled.

    Default: all columns but the targets, and but those that a model cannot learn from: identifiers, free text, and
    columns with a single value.

    Trap: a column that is known only after the target is (a total of which the target is a part, the date of a
    cancellation) gives good metrics and a model of no use; `exclude` it (Kaufman et al. 2012, Leakage in Data Mining).

    Little & Rubin 2019, Statistical Analysis with Missing Data.
    """

    main: ClassVar[str | None] = "include"

    include: Names | None = None
    """Names of the columns that are inputs; by default all that `exclude` does not name. A target is never an input."""
    exclude: Names = ()
    """Names of the columns that are no inputs."""
    kinds: dict[str, ChosenKind] = Field(default={}, max_length=MAX_NAMED)
    """Kinds of columns by name (`number`, `category`, `boolean`, `date`, `identifier`, `text`), in place of those that
    the data set's card lists. For a target, `category` means classes and `number` numbers. An `identifier` or `text` is
    left out."""
    missing: Literal["mean_and_flag", "mean", "median", "refuse"] = "mean_and_flag"
    """What an empty cell of a number, boolean or date becomes: the mean or the median of the known training values; an
    empty category becomes zeros. `mean_and_flag` adds a feature for each column with empty cells, which is 1 where the
    cell is empty. `refuse` refuses a table with empty cells in inputs."""


ColumnsPart = Annotated[
    Columns, BeforeValidator(lambda value: written_as(Columns, value), json_schema_input_type=Columns | list[str])
]


class StepRows(Ingredient):
    """The columns that make sequences of the rows of a long table, which has a row for each step.

    The rows of equal `id` are one sequence, its steps in ascending `order`. The inputs are the columns of a step,
    encoded as `columns` says, and the target is one for each sequence: equal in all of its rows. Sequences may differ
    in their number of steps; `rnn` reads each up to its own last step. Training, validation and test get whole
    sequences.

    Default: a table's rows are samples of their own.

    Trap: steps that were recorded after the target was known, such as the treatment after a diagnosis, give the target
    away; leave their rows out of the file.

    Wickham 2014, Tidy Data.
    """

    main: ClassVar[str | None] = "id"

    id: str = Field(min_length=1, max_length=256)
    """Column whose value the rows of a sequence have in common. It is never an input."""
    order: str | None = Field(default=None, min_length=1, max_length=256)
    """Column of numbers or dates that orders the steps; by default the order of the rows in the file. It is an input
    only if `columns.include` names it."""


StepRowsPart = Annotated[
    StepRows, BeforeValidator(lambda value: written_as(StepRows, value), json_schema_input_type=StepRows | str)
]


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
    later_fields: ClassVar[frozenset[str]] = frozenset(
        {
            "bootstrap", "columns", "fold", "folds", "max_unreadable", "sampling", "sequence", "shuffle", "size",
            "split", "whitening_epsilon",
        }
    )  # fmt: skip

    id: Annotated[str, BeforeValidator(refuse_address)] = Field(min_length=1, max_length=80)
    """Name of a built-in data set, of your own file or folder, or of a data set that was uploaded; `GET /v1/datasets`
    lists all. `NAME@2` or an id `data_...` is one version of an uploaded data set, `NAME` its newest version: the
    canonical recipe names the version."""
    target: str | None = Field(default=None, min_length=1, max_length=256)
    """Column to predict, for a table with named columns."""
    columns: ColumnsPart = Columns()
    """Columns of the table that are inputs; by default all that a model can learn from."""
    sequence: StepRowsPart | None = None
    """Columns that make sequences of a table with a row for each step; by default each row is a sample."""
    normalization: Literal["none", "standardize", "min_max", "whiten"] = "standardize"
    """Scaling of the inputs, fitted on the training split only and stored in the checkpoint. `standardize` gives mean 0
    and biased variance 1, `min_max` gives [0, 1]; both act per feature for tables, per channel for images, and per
    number of a step (over all steps) for sequences. `whiten` gives mean 0 and covariance I, apart from epsilon, over
    the numbers and dates of a table (categories, cycles and flags stay as they are), all pixels and channels of an
    image, or the numbers of a step; at most 4,096 features."""
    whitening_epsilon: float | None = Field(default=None, gt=0, le=1)
    """Number that `whiten` adds to each variance lambda; the mean of lambda is 1. By default 0.01 for images and
    0.00001 for tables and sequences."""
    split: SplitRule = Random()
    """Rule that divides the rows of a table among training, validation and test. A data set whose files have splits
    keeps them."""
    validation_fraction: float = Field(default=VALIDATION_FRACTION, gt=0, lt=1)
    """Share of the rows outside the test split that is used for validation, which decides when to stop and which epoch
    is best. It is ignored if the data set has its own validation split, and must be left out beside `folds`."""
    folds: int | None = Field(default=None, ge=2, le=20)
    """Number of folds of a cross-validation, of which a run trains one. All rows outside the test split validate in one
    fold and train in the others: a `random` split gives each fold its share of each class, `group` whole groups, the
    largest first, so that the folds have about as many rows. `time` divides the rows by time into one block more than
    there are folds; each block but the first validates after a training on all blocks before it. Which rows a fold has
    depends on `split_seed`, never on the run's `seed`, and the test split is the same as without folds. A data set that
    has its own validation split has no folds."""
    fold: int | None = Field(default=None, ge=0, le=19)
    """Number of the fold that validates, 0 to `folds` - 1. What is fitted on training rows is fitted anew in each
    fold."""
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the split, independent of the run's `seed`, so that runs with different seeds have the same split."""
    bootstrap: bool = False
    """Trains on as many rows as the training split has, drawn from it with replacement by the run's `seed`: on average
    63 % of its rows, some more than once. Everything that is fitted on training rows is fitted on these; validation and
    test stay as they are. Averaging over runs with different seeds is bagging (Breiman 1996, Bagging Predictors)."""
    size: Annotated[int, Field(ge=8, le=1024)] | Literal["off"] | None = None
    """Side in pixels of the square that the pictures of a folder are made: scaled until they cover it, and cut to the
    centre. By default the size that the data set's card says: their own if nine in ten have the same, of at most 64
    pixels, or else a square of the median of their shorter sides, rounded to a multiple of 8, and at most 64. `off`
    keeps each picture at its own size for the first augmentation, which is `scale_crop` or `random_resized_crop` and
    cuts windows of one size out of the photographs; `evaluation.crops` cuts its windows out of them too. All else, such
    as validation and the normalization, uses one window of each: scaled until the shorter side is the smallest L of
    `scale_crop` (without it, 8/7 of the window's side), and cut to the centre."""
    max_unreadable: float = Field(default=MAX_UNREADABLE, ge=0, le=1)
    """Largest share of the pictures that may be unreadable. They are passed over, and the data set's card counts them
    and lists the first; a recipe is refused if there are more."""
    sampling: Literal["none", "balanced", "undersample"] = "none"
    """Rows of the training split that an epoch takes, drawn anew for each epoch by the run's `seed`. `none`: all of
    them. `balanced`: as many rows as the split has, equally many of each class (but for the remainder), drawn with
    replacement. `undersample`: of each class as many rows as its rarest class has, each at most once. Normalization is
    fitted on the whole split, and validation and test stay as they are."""
    shuffle: Shuffle = Full()
    """Order in which an epoch takes the training rows, drawn anew for each epoch by the run's `seed`."""

    @property
    def name(self) -> str:
        """The name without a version."""
        return self.id.partition("@")[0]
