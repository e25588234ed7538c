"""Data cards: what is known of a data set without opening its arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod
from typing import Literal

from pydantic import Field

from bakehouse.model import Model

Task = Literal["classification", "regression"]


class Column(Model):
    """One column of a table."""

    name: str
    """As in the header."""
    kind: Literal["number", "integer", "text"]
    """`integer` if every value is whole, `text` if any is not a number."""
    classes: tuple[str, ...] | None = None
    """The distinct values of whole numbers (in their order) or of text (sorted); null for `number`,
    and when there are more than 1,000."""
    class_counts: tuple[int, ...] | None = None
    """How many rows have each class, in the order of `classes`."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None


class SplitCounts(Model):
    """Rows that the set's own splits hold; null where the set leaves the split to the recipe."""

    train: int
    validation: int | None = None
    test: int | None = None


class DatasetCard(Model):
    """What a recipe may rely on: task, shape, classes, counts. Written once, when a set is packed."""

    id: str
    """The name that recipes use."""
    title: str = ""
    """One sentence for people."""
    origin: str
    """Where it comes from, with its licence for a built-in set."""
    fingerprint: str
    """`sha256:` and the digest of the packed arrays and their meaning."""
    kind: Literal["image", "table"]
    """`image`: samples are channels x height x width; `table`: rows of numbers."""
    shape: tuple[int, ...]
    """One sample's shape without the batch; for a table with named columns, the columns that are
    not a target: (features,)."""
    dtype: Literal["uint8", "float32"]
    """How the inputs are stored; models take them in these units."""
    counts: SplitCounts
    task: Task | None = None
    """Null for a table whose target the recipe names: see `columns`."""
    classes: tuple[str, ...] | None = None
    """Class names in index order, for classification."""
    class_counts: tuple[int, ...] | None = None
    """Rows of each class in what the set's own train split holds."""
    columns: tuple[Column, ...] | None = None
    """A table's columns in order; null for sets whose target is fixed."""
    minimum: float
    """Smallest input value, in stored units."""
    maximum: float
    """Largest input value, in stored units."""
    notes: tuple[str, ...] = ()
    """What packing did that a user should know (resized pictures, say)."""
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
    """`absent`: known by name, its files are not on this machine."""
    problem: str | None = None
    """What is wrong with a broken set, and where; how to get an absent one."""
    card: DatasetCard | None = Field(default=None)
    """Null until the set is ready."""


WHOLE_NUMBER_CLASSES = 20
"""A column of whole numbers with at most so many different values holds classes."""


@dataclass(frozen=True)
class ResolvedData:
    """What a recipe's data set and target come to."""

    task: Task
    shape: tuple[int, ...]
    classes: tuple[str, ...] | None
    class_counts: tuple[int, ...] | None
    minimum: float | None = None
    """Least target, for a column of numbers to predict."""


class TargetError(ValueError):
    """A recipe's target does not fit its data set."""

    def __init__(self, message: str, *, allowed: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.allowed = tuple(allowed)


def target_task(column: Column, asked: Task | None = None) -> Task:
    """Text and whole numbers with few different values are classes, unless a recipe asks for something else
    of the numbers; all else is regression."""
    if asked is not None and column.kind != "text" and (asked == "regression" or column.classes is not None):
        return asked
    few = column.classes is not None and len(column.classes) <= WHOLE_NUMBER_CLASSES
    return "classification" if column.kind == "text" or (column.kind == "integer" and few) else "regression"


def resolve_target(card: DatasetCard, target: str | None, *, task: Task | None = None) -> ResolvedData:
    """What is learnt from the set: its fixed target, or the column that the recipe names.

    `task` overrules what a column of numbers is taken for.
    """
    if card.columns is None:
        return _fixed_target(card, target)
    if target is None:
        raise TargetError(f"{card.id} is a table: name the column to learn", allowed=_possible_targets(card.columns))
    column = _named_column(card.columns, target)
    _check_features(card.columns, column)
    _check_classes(column)
    if target_task(column, task) == "regression":
        return ResolvedData("regression", card.shape, None, None, column.minimum)
    return ResolvedData("classification", card.shape, column.classes, column.class_counts)


def _fixed_target(card: DatasetCard, target: str | None) -> ResolvedData:
    if target is not None:
        raise TargetError(f"{card.id} has one target of its own; leave `target` out")
    assert card.task is not None, "a set without columns has a task"
    return ResolvedData(card.task, card.shape, card.classes, card.class_counts)


def _named_column(columns: tuple[Column, ...], target: str) -> Column:
    for column in columns:
        if column.name == target:
            return column
    allowed = _possible_targets(columns)
    nearest = get_close_matches(target, allowed, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise TargetError(f"there is no column {target}{hint}", allowed=allowed)


def _possible_targets(columns: tuple[Column, ...]) -> list[str]:
    """Features must be numbers, so a single text column is the only target, and two leave none."""
    text = [column.name for column in columns if column.kind == "text"]
    return [column.name for column in columns if text in ([], [column.name])]


def _check_features(columns: tuple[Column, ...], target: Column) -> None:
    text = [column.name for column in columns if column.kind == "text" and column != target]
    if text:
        names = ", ".join(text[:10])
        what = f"features must be numbers, but text is in: {names}; write it as numbers, or leave the columns out"
        raise TargetError(what, allowed=_possible_targets(columns))


def _check_classes(column: Column) -> None:
    if column.kind == "text" and column.classes is None:
        raise TargetError(f"the column {column.name} has more than 1,000 different texts: too many for classes")
    one_text = column.classes is not None and len(column.classes) == 1
    one_number = column.minimum is not None and column.minimum == column.maximum
    if one_text or one_number:
        raise TargetError(f"the column {column.name} has one value in all rows: there is nothing to learn")
