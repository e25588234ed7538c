"""Data cards, which describe data sets so that the arrays need not be read."""

from math import ceil, prod
from typing import Literal

from bakehouse.model import Model
from bakehouse.recipe.ingredient import DataKind
from bakehouse.recipe.patch import PatchStep, Severity

Task = Literal["classification", "regression"]
Dtype = Literal["uint8", "float32", "float64"]
FloatDtype = Literal["float32", "float64"]
ColumnKind = Literal["number", "category", "boolean", "date", "text", "identifier", "constant"]
Format = Literal["npy", "csv", "parquet", "json", "npz", "pictures", "idx", "cifar", "arrow"]


class Column(Model):
    """What a card says about one column of a table: its kind, range and classes."""

    name: str
    """The column's name, as in the header."""
    kind: ColumnKind
    """`number`: numbers, whole or not; `category`: texts that recur; `boolean`: two texts; `date`: days or times, in
    seconds since 1970-01-01 UTC; `text`: free text; `identifier`: names or numbers of the rows; `constant`: one value
    in all rows."""
    whole: bool = False
    """Whether every value is a whole number."""
    classes: tuple[str, ...] | None = None
    """The distinct values of texts (sorted) or of whole numbers (in numerical order); null for other numbers and for
    dates, and if there are more than 1,000."""
    class_counts: tuple[int, ...] | None = None
    """Number of rows of each class, in the order of `classes`."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    group_sizes: tuple[tuple[int, int], ...] = ()
    """Pairs (rows, values): how many distinct values have that many rows, by the number of rows. A `group` split needs
    them."""
    known_group_sizes: dict[str, tuple[tuple[int, int], ...]] = {}
    """Such pairs of other columns, by their names, over the rows in which this column is not empty, if it has empty
    cells: a `group` split of the rows with a target needs them. A row without a value is a group of its own."""
    missing: int = 0
    """Number of rows whose cell is empty."""
    missing_in: dict[str, int] = {}
    """Number of such rows in each of the set's own `validation` and `test` splits that has some. All other counts of a
    set with own splits are those of its train split; the kind, the classes and the range are those of all rows."""
    form: str | None = None
    """How numbers or dates are written: `point` or `comma` if numbers are not all as 1234.5, which says what begins the
    decimals, and then perhaps a unit, as in `point kg`; or the form of all dates, such as `year first`. Null for texts
    and plain numbers."""
    has_times: bool = False
    """Whether a date of the column has a time of day other than midnight."""
    dtype: FloatDtype = "float32"
    """`float64` if 32 bits would round the numbers by more than 1/16,384 of their standard deviation."""

    @property
    def has_gaps(self) -> bool:
        """Whether any row of the training, validation or test rows has no value in this column."""
        return self.missing > 0 or bool(self.missing_in)

    @property
    def has_numbers(self) -> bool:
        """Whether the packed values are the numbers or dates of the file; those of texts are indices of classes."""
        return self.minimum is not None


class TargetCard(Model):
    """A target that a recipe may name in `objective.tasks`."""

    name: str
    task: Task
    classes: tuple[str, ...] | None = None
    """Class names in index order, for classification."""
    class_counts: tuple[int, ...] | None = None
    """Number of rows of each class in the set's own train split."""
    minimum: float | None = None
    """Smallest value, for regression."""
    missing: int = 0
    """Number of rows without a label in the set's own train split."""
    dtype: FloatDtype = "float32"
    """The type of the numbers, for regression; see the card's `target_dtype`."""


class Channel(Model):
    """The range of one channel of images, of one number of the steps of sequences, or of one unnamed feature of a
    table, in the training rows and in stored units."""

    minimum: float
    maximum: float
    mean: float


class Finding(Model):
    """What the profile of a data set found, with the data set's numbers."""

    code: str
    severity: Severity
    """`warning`: results may mislead unless something is done; `info`: good to know."""
    where: str
    """JSON Pointer to the part of the card that the finding is about."""
    message: str
    patch: tuple[PatchStep, ...] = ()
    """JSON Patch that, applied to a canonical recipe of this data set, settles the finding. Empty if no change of the
    recipe does."""


class UnreadablePictures(Model):
    """The pictures that cannot be read, and were passed over."""

    count: int
    of: int
    """Number of all pictures."""
    problems: tuple[str, ...]
    """The file and the problem of the first of them."""

    @property
    def needed_share(self) -> float:
        """The smallest `dataset.max_unreadable` with four decimals that passes over all of them."""
        return ceil(10_000 * self.count / self.of) / 10_000

    def __str__(self) -> str:
        more = self.count - len(self.problems)
        return "; ".join([*self.problems, *([f"and {more:,} more"] if more else [])])


class OwnSizes(Model):
    """The sizes of the pictures in the files, once they are upright."""

    shortest: int
    """The shortest side of all, in pixels."""
    longest: int
    """The longest side of all."""
    elongation: float
    """The largest ratio of a picture's longer to its shorter side."""
    pixels: int
    """Number of pixels of all pictures."""


class SplitCounts(Model):
    """Number of rows in each of the set's own splits; null if the set leaves that split to the recipe."""

    train: int
    validation: int | None = None
    test: int | None = None


class Lengths(Model):
    """How many steps the sequences have."""

    minimum: int
    median: float
    maximum: int


class TextForm(Model):
    """How a table is written as text, so that it can be read again in the same way."""

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str | None = '"'
    """The character around cells that contain others."""
    escape: str | None = None
    """The character before a quote inside quotes; null if such a quote is doubled."""
    start: int = 0
    """Number of lines before the table."""
    skipped: int = 1
    """Number of records before the first row, the header among them."""
    names: tuple[str | None, ...]
    """The name of each cell's column; null for a column that is left out."""


class DatasetCard(Model):
    """Describes a data set: task, shape, classes, counts. The card is written once, when the set is packed."""

    id: str
    """The name that recipes use."""
    title: str = ""
    """One sentence that describes the set."""
    origin: str
    """The source of the data, with the licence of a built-in set."""
    fingerprint: str
    """`sha256:` followed by the digest of the packed arrays and of their meaning."""
    kind: DataKind
    """The kind of the samples. `image`: channels x height x width; `sequence`: steps x numbers of a step; `table`: a
    row of numbers."""
    shape: tuple[int, ...]
    """The shape of one sample. For a table with named columns it is (columns - 1,); each recipe chooses its inputs. Of
    ragged sequences it is that of the longest."""
    lengths: Lengths | None = None
    """How many steps the sequences of all splits have, if they are ragged; null if all have as many."""
    dtype: Dtype
    """The type in which inputs are stored; models take the stored units. `float64` if 32 bits would round a feature or
    channel by more than 1/16,384 of its standard deviation; for a table with named columns, see `columns`."""
    format: Format = "npy"
    """The format of the files. `npy`: arrays that come with Bakehouse; `csv`: a table of text, whatever its
    separator; `parquet`, `json`, `arrow`: tables with types; `npz`: arrays; `pictures`: a folder of pictures for each
    class, or pictures in Arrow files; `idx`: the files of MNIST; `cifar`: the binary files of CIFAR."""
    counts: SplitCounts
    task: Task | None = None
    """The task of the set's fixed target. Null for a table in which each recipe names its target; see `columns`."""
    classes: tuple[str, ...] | None = None
    """Class names in index order, for classification."""
    class_counts: tuple[int, ...] | None = None
    """Number of rows of each class in the set's own train split."""
    target_dtype: FloatDtype = "float32"
    """The type of the fixed target's numbers, for regression. `float64` if 32 bits would round them by more than
    1/16,384 of their standard deviation."""
    targets: tuple[TargetCard, ...] = ()
    """Targets that a recipe may name in addition to the fixed one."""
    columns: tuple[Column, ...] | None = None
    """A table's columns in order; null for sets whose target is fixed."""
    text: TextForm | None = None
    """How the file of a table is written, if it is text."""
    arrays: dict[str, str] = {}
    """The names of the arrays in the files, by what they are (`x`, `y`, `x_test`, ...), where these differ."""
    minimum: float
    """Smallest input value, in stored units."""
    maximum: float
    """Largest input value, in stored units."""
    channels: tuple[Channel, ...] | None = None
    """Ranges of the channels, of the numbers of a step, or of the features; null for a table with named columns, and if
    there are more than 256."""
    findings: tuple[Finding, ...] = ()
    """What the profile found: classes, equal rows, labels that disagree, columns that hardly vary or give the target
    away."""
    notes: tuple[str, ...] = ()
    """Notes for the user on how the set was packed, for example that images were resized."""
    own_sizes: OwnSizes | None = None
    """For a folder of pictures, the sizes that these have in the files."""
    unreadable: UnreadablePictures | None = None
    """The pictures that cannot be read and were passed over; null if all can be read."""
    mirror_safe: bool = True
    """Whether a mirrored sample keeps its meaning; false for digits and letters, for example."""

    @property
    def features(self) -> int:
        """Number of values in one sample."""
        return prod(self.shape)


WHOLE_NUMBER_CLASSES = 20
"""Limit on the distinct values of a column of whole numbers that is taken for classes."""
