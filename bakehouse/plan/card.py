"""Data cards: a description of a data set that can be read without its arrays."""

from math import prod
from typing import Literal

from bakehouse.model import Model
from bakehouse.recipe.ingredient import DataKind

Task = Literal["classification", "regression"]
Dtype = Literal["uint8", "float32", "float64"]


class Column(Model):
    """One column of a table."""

    name: str
    """As in the header."""
    kind: Literal["number", "integer", "text"]
    """`integer` if every value is whole, `text` if any is not a number."""
    classes: tuple[str, ...] | None = None
    """The distinct values of whole numbers (in numerical order) or of text (sorted); null for `number`, and if there
    are more than 1,000."""
    class_counts: tuple[int, ...] | None = None
    """Rows of each class, in the order of `classes`."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    missing: int = 0
    """Rows whose cell is empty. A column with empty cells can be a target, but not an input."""
    dtype: Literal["float32", "float64"] = "float32"
    """`float64` where 32 bits would round the numbers by more than 1/16,384 of their standard deviation."""


class TargetCard(Model):
    """A target that a recipe may name in `objective.tasks`."""

    name: str
    task: Task
    classes: tuple[str, ...] | None = None
    """Class names in index order, for classification."""
    class_counts: tuple[int, ...] | None = None
    """Rows of each class in what the set's own train split holds."""
    minimum: float | None = None
    """Smallest value, for regression."""
    missing: int = 0
    """Rows without a label in what the set's own train split holds."""


class SplitCounts(Model):
    """Rows in the splits of the set itself; null where the set leaves the split to the recipe."""

    train: int
    validation: int | None = None
    test: int | None = None


class DatasetCard(Model):
    """What a recipe may rely on: task, shape, classes, counts. The card is written once, when the set is packed."""

    id: str
    """The name that recipes use."""
    title: str = ""
    """One sentence for people."""
    origin: str
    """The source of the data, with the licence of a built-in set."""
    fingerprint: str
    """`sha256:` and the digest of the packed arrays and their meaning."""
    kind: DataKind
    """`image`: samples are channels x height x width; `sequence`: steps x numbers of a step; `table`: rows of
    numbers."""
    shape: tuple[int, ...]
    """One sample's shape without the batch; for a table with named columns, the columns that are
    not a target: (features,)."""
    dtype: Dtype
    """How the inputs are stored; models take inputs in these units. `float64` where 32 bits would round a feature or
    channel by more than 1/16,384 of its standard deviation; for a table with named columns, see `columns`."""
    counts: SplitCounts
    task: Task | None = None
    """Null for a table whose target the recipe names: see `columns`."""
    classes: tuple[str, ...] | None = None
    """Class names in index order, for classification."""
    class_counts: tuple[int, ...] | None = None
    """Rows of each class in what the set's own train split holds."""
    targets: tuple[TargetCard, ...] = ()
    """Further targets in addition to the fixed one."""
    columns: tuple[Column, ...] | None = None
    """A table's columns in order; null for sets whose target is fixed."""
    minimum: float
    """Smallest input value, in stored units."""
    maximum: float
    """Largest input value, in stored units."""
    notes: tuple[str, ...] = ()
    """Notes of packing for the user (resized images, for example)."""
    mirror_safe: bool = True
    """False where a mirrored sample means something else (digits, letters)."""

    @property
    def features(self) -> int:
        """Numbers in one sample."""
        return prod(self.shape)


class DatasetListing(Model):
    """A data set as `GET /v1/datasets` shows it."""

    id: str
    status: Literal["ready", "packing", "broken", "absent"]
    """`absent`: the set is known by name, but its files are not on this machine."""
    problem: str | None = None
    """What is wrong with a broken set, and where; how to get the files of an absent set."""
    card: DatasetCard | None = None
    """Null until the set is ready."""


WHOLE_NUMBER_CLASSES = 20
"""A column of whole numbers with at most this many distinct values holds classes."""
