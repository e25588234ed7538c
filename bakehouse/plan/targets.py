"""Resolves the targets of a recipe: the columns or label arrays that a model learns, and the model's outputs for
each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, nan, prod

from bakehouse.plan.card import Column, DatasetCard, Lengths, TargetCard, Task
from bakehouse.plan.columns import (
    MAX_NAMES,
    TARGET_KINDS,
    column_problems,
    describe_kind,
    left_out,
    resolve_inputs,
    target_task,
    with_kinds,
)
from bakehouse.plan.inputs import Encoding, Input
from bakehouse.plan.proposal import MIN_LABELS, propose_target
from bakehouse.plan.sequences import (
    as_sequences,
    check_sequences,
    measure_lengths,
    not_inputs,
    refuse_padding,
)
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.dataset import ChosenKind, Columns, Dataset, StepRows
from bakehouse.recipe.evaluation import ClassMeasure
from bakehouse.recipe.ingredient import DataKind
from bakehouse.recipe.objective import Loss, Objective
from bakehouse.recipe.problems import RecipeInvalid, did_you_mean
from bakehouse.recipe.split import Group

MAIN = "main"
"""The name of the main target, which is the data set's own, in the names of metrics and layers."""
RESERVED = (MAIN, "clean", "crops", "monte_carlo", "adversarial")
"""Names that no target may have, because `validation_NAME_loss` or `test_NAME_loss` is another metric."""
MAX_CHARACTERS = 40
KINDS: dict[int, DataKind] = {1: "table", 2: "sequence", 3: "image"}
MEASURES: dict[Task, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "regression": ("mean_absolute_error", "r2", "root_mean_squared_error"),
}
"""The metrics of a target besides its loss, which every recipe has."""


@dataclass(frozen=True)
class Target:
    """A target that a model learns. A model's targets are a list, with the main one first."""

    index: int
    """The target's column among the targets; 0 is the main target."""
    is_alone: bool
    """Whether the model has no other target. Then its layers and its loss are named as in a model with one output."""
    name: str
    """The name of the column or label array; `main` for the fixed target of a data set."""
    task: Task
    classes: tuple[str, ...] | None
    minimum: float | None
    """The smallest value, or null if the card does not say."""
    loss: Loss
    weight: float
    first: int
    """The index of this target's first output among the model's outputs."""
    class_measures: tuple[ClassMeasure, ...] = ()
    """The metrics of classes that the recipe asks for besides `measures`, without the prefix."""

    @property
    def outputs(self) -> int:
        """The number of this target's outputs: one for each class, or a single one for a number or a binary label."""
        return 1 if self.classes is None or self.loss == "binary_cross_entropy" else len(self.classes)

    @property
    def columns(self) -> slice:
        """The columns of the model's outputs that belong to this target."""
        return slice(self.first, self.first + self.outputs)

    @property
    def label(self) -> str:
        """The target's name in the names of metrics."""
        return MAIN if self.index == 0 else self.name

    @property
    def layer(self) -> str:
        """The name of the target's output layer if the model has several."""
        return MAIN if self.index == 0 else f"task{self.index}"

    @property
    def head(self) -> str:
        """The path of the output layer in the model."""
        return "head" if self.is_alone else f"heads.{self.layer}"

    @property
    def unit(self) -> str:
        """The path of the layer that converts a regression's outputs to the data's units."""
        assert self.classes is None, "only numbers have units"
        if self.is_alone:
            return "denormalize" if self.loss == "squared_error" else "exponential"
        return f"units.{self.layer}"

    @property
    def prefix(self) -> str:
        """The beginning of the names of the target's metrics besides the loss; empty for the main target."""
        return "" if self.index == 0 else f"{self.label}_"

    @property
    def loss_metric(self) -> str:
        return "loss" if self.is_alone else f"{self.label}_loss"

    @property
    def measures(self) -> tuple[str, ...]:
        """The metrics besides the loss. Those of the main target have the same names with and without other targets."""
        return tuple(f"{self.prefix}{measure}" for measure in MEASURES[self.task])

    @property
    def pointer(self) -> str:
        """The JSON pointer to the object in the recipe that sets the target's loss."""
        return "/objective" if self.index == 0 else f"/objective/tasks/{self.index - 1}"


@dataclass(frozen=True)
class ResolvedData:
    """The shape of a recipe's samples, and its targets with all defaults filled in."""

    shape: tuple[int, ...]
    """The shape of a sample as it is stored, of a table with named columns without the columns that are no inputs."""
    targets: tuple[Target, ...]
    is_double: bool = False
    """Whether inputs are kept and normalised in 64 bits."""
    inputs: tuple[Input, ...] = ()
    """The columns that are inputs, of a table with named columns."""
    unlabelled: int = 0
    """Number of rows that no split has, because they have no label of the only target."""
    unlabelled_in: Mapping[str, int] = field(default_factory=dict)
    """Number of such rows in the set's own `validation` and `test` splits."""
    lengths: Lengths | None = None
    """How many steps the sequences have, if they are ragged."""
    steps: StepRows | None = None
    """The columns that make sequences of a table's rows."""
    samples: int | None = None
    """Number of sequences that they make."""

    @property
    def encoding(self) -> Encoding | None:
        """The features that the inputs become; None if all are numbers without a gap, which are only scaled."""
        return Encoding(self.inputs) if any(each.is_encoded for each in self.inputs) else None

    @property
    def width(self) -> int:
        """Number of values of a sample after the model's first layer."""
        encoding = self.encoding
        return prod(self.shape) if encoding is None else prod(self.shape[:-1]) * encoding.width

    @property
    def padding(self) -> float:
        """What follows the last step of a ragged sequence. In steps that are encoded, nan is an empty cell."""
        return nan if self.encoding is None else inf

    @property
    def main(self) -> Target:
        """The data set's own target."""
        return self.targets[0]

    @property
    def further(self) -> tuple[Target, ...]:
        """The targets that `objective.tasks` adds, in the same order."""
        return self.targets[1:]

    @property
    def kind(self) -> DataKind:
        """The kind of the samples, which their number of dimensions determines."""
        return KINDS[len(self.shape)]

    @property
    def is_image(self) -> bool:
        return self.kind == "image"

    @property
    def side(self) -> int:
        """The number of pixels of an image's shorter side."""
        return min(self.shape[1:])

    def __str__(self) -> str:
        noun = "number" if self.encoding is None else "column"
        match self.kind:
            case "image":
                return f"a set of images of {' x '.join(map(str, self.shape))}"
            case "sequence" if self.lengths is not None:
                span = f"{self.lengths.minimum} to {self.lengths.maximum}"
                return f"a set of ragged sequences of {span} steps with {count_of(self.shape[1], noun)} each"
            case "sequence":
                return f"a set of sequences of {self.shape[0]} steps with {count_of(self.shape[1], noun)} each"
            case "table":
                return f"a table with {self.shape[0]} {'columns that are inputs' if self.inputs else 'features'}"


class TargetError(ValueError):
    """Raised if a recipe's target does not fit its data set."""

    def __init__(self, message: str, *, allowed: Iterable[str] = (), pointer: str = "/dataset/target") -> None:
        super().__init__(message)
        self.message = message
        self.allowed = tuple(allowed)
        self.pointer = pointer


def resolve_targets(card: DatasetCard, dataset: Dataset, objective: Objective) -> ResolvedData:
    """Finds the targets in the data set: first its fixed target or the column that `dataset` names, then those of
    `objective.tasks`; in a table with named columns also the inputs. Raises TargetError, and RecipeInvalid for
    columns."""
    further = [task.target for task in objective.tasks]
    _check_names(dataset.target, further)
    if card.columns is None:
        _check_no_columns(card, dataset)
        found = [_fixed_target(card, dataset.target), *(_further_target(card, *item) for item in enumerate(further))]
        return ResolvedData(
            card.shape, _with_outputs(found, objective), is_double=card.dtype == "float64", lengths=card.lengths
        )
    return _resolve_table(card, card.columns, dataset, objective)


def _resolve_table(
    card: DatasetCard, stored: tuple[Column, ...], dataset: Dataset, objective: Objective
) -> ResolvedData:
    """Finds the targets and the inputs among the columns of a table."""
    further = [task.target for task in objective.tasks]
    named = {name for name in (dataset.target, *further) if name is not None}
    problems = list(column_problems(stored, dataset.columns, named))
    if problems:
        raise RecipeInvalid(problems)
    columns = with_kinds(stored, dataset.columns)
    targets = _target_columns(card, columns, dataset, further)
    found = [
        _column_target(column, loss, dataset.columns.kinds.get(column.name), target_pointer(index))
        for index, (column, loss) in enumerate(zip(targets, _losses(objective), strict=True))
    ]
    if dataset.sequence is not None:
        check_sequences(card, columns, dataset, dataset.sequence, named)
    inputs = resolve_inputs(columns, dataset.columns, named | _group_column(dataset) | not_inputs(dataset))
    if not inputs:
        raise _no_input(columns, dataset.columns, named, len(further))
    names = {each.name for each in inputs}
    is_double = any(column.dtype == "float64" for column in columns if column.name in names)
    data = ResolvedData((len(inputs),), _with_outputs(found, objective), is_double, inputs)
    # Dates have too many digits for 32 bits, and an encoded row is converted only once it is scaled.
    data = data if data.encoding is None else replace(data, is_double=True)
    if len(targets) == 1:
        data = replace(data, unlabelled=targets[0].missing, unlabelled_in=targets[0].missing_in)
    if dataset.sequence is not None:
        return _as_sequences(data, columns, dataset.sequence)
    return data


def _as_sequences(data: ResolvedData, columns: tuple[Column, ...], steps: StepRows) -> ResolvedData:
    """Returns the same data with sequences of rows as samples."""
    count, lengths = measure_lengths(columns, steps)
    numbers = len(data.inputs)
    refuse_padding(count, lengths, numbers * (8 if data.is_double else 4))
    is_ragged = lengths.minimum < lengths.maximum
    shape = (lengths.maximum, numbers)
    return replace(data, shape=shape, lengths=lengths if is_ragged else None, steps=steps, samples=count)


def as_trained(card: DatasetCard, data: ResolvedData) -> DatasetCard:
    """Returns the card of the samples that a recipe learns from: of a long table, those of its sequences, and of the
    set's own validation and test splits, the rows that have a label of the only target."""
    if data.samples is not None:
        return as_sequences(card, data.shape, data.samples, data.lengths)
    unlabelled = {name: rows for name, rows in data.unlabelled_in.items() if rows}
    # A split without any label is like none.
    left = {name: (getattr(card.counts, name) - rows) or None for name, rows in unlabelled.items()}
    return card.model_copy(update={"counts": card.counts.model_copy(update=left)}) if left else card


def _group_column(dataset: Dataset) -> set[str]:
    """Returns the column of a split by groups, unless the recipe includes it: the model will meet other groups."""
    asked = dataset.columns.include or ()
    return {dataset.split.column} - set(asked) if isinstance(dataset.split, Group) else set()


def _no_input(columns: tuple[Column, ...], spec: Columns, targets: set[str], further: int) -> TargetError:
    """Returns the error of a table of which no column is an input."""
    if targets >= {column.name for column in columns}:
        message = "every column is a target, and none is left as an input"
        return TargetError(message, pointer=target_pointer(further))
    left = left_out(columns, spec, targets)[:MAX_NAMES]
    reasons = ", ".join(f"{column.name} is {describe_kind(column.kind)}" for column in left)
    message = f"no column is left as an input{': ' if reasons else ''}{reasons}"
    return TargetError(message, pointer="/dataset/columns")


def target_pointer(index: int) -> str:
    """Returns the JSON pointer to the field of the recipe that names a target."""
    # Target 0 is the main one, so target 1 is the first of objective.tasks.
    return "/dataset/target" if index == 0 else f"/objective/tasks/{index - 1}/target"


def loss_or_default(loss: Loss | None, task: Task) -> Loss:
    return loss or ("cross_entropy" if task == "classification" else "squared_error")


def _losses(objective: Objective) -> tuple[Loss | None, ...]:
    return (objective.loss, *(task.loss for task in objective.tasks))


def _with_outputs(found: Sequence[TargetCard], objective: Objective) -> tuple[Target, ...]:
    """Gives each target its loss, its weight and its range of the model's outputs, which are in the same order."""
    weights = (1.0, *(task.weight for task in objective.tasks))
    targets: list[Target] = []
    for index, (each, loss, weight) in enumerate(zip(found, _losses(objective), weights, strict=True)):
        target = Target(
            index=index,
            is_alone=len(found) == 1,
            name=each.name,
            task=each.task,
            classes=each.classes,
            minimum=each.minimum,
            loss=loss_or_default(loss, each.task),
            weight=weight,
            first=targets[-1].columns.stop if targets else 0,
        )
        targets.append(target)
    return tuple(targets)


def _check_names(main: str | None, further: list[str]) -> None:
    for index, name in enumerate(further, start=1):
        if name == main:
            raise TargetError(f"{name} is the target of the data set already", pointer=target_pointer(index))
        if name in further[: index - 1]:
            raise TargetError(f"{name} is listed twice", pointer=target_pointer(index))
        if name in RESERVED:
            message = f"validation_{name}_loss is the name of another metric; give the target another name"
            raise TargetError(message, pointer=target_pointer(index))


def _fixed_target(card: DatasetCard, main: str | None) -> TargetCard:
    if main is not None:
        raise TargetError(f"{card.id} has a fixed target; leave `target` out")
    assert card.task is not None, "a set without columns has a task"
    return TargetCard(name=MAIN, task=card.task, classes=card.classes)


def _further_target(card: DatasetCard, number: int, name: str) -> TargetCard:
    pointer = target_pointer(number + 1)
    for target in card.targets:
        if target.name == name:
            _check_labels(target, card.counts.train, pointer)
            return target
    allowed = [target.name for target in card.targets]
    has = "" if allowed else ": it has only its fixed target"
    message = f"{card.id} has no target {name}{did_you_mean(name, allowed)}{has}"
    raise TargetError(message, allowed=allowed, pointer=pointer)


def _target_columns(
    card: DatasetCard, columns: tuple[Column, ...], dataset: Dataset, further: list[str]
) -> tuple[Column, ...]:
    """Finds the target columns that a recipe names; refuses those that cannot be learned."""
    possible = [column.name for column in columns if column.kind in TARGET_KINDS and column.name not in further]
    if dataset.target is None:
        proposed = propose_target(card)
        example = "" if proposed is None else f", such as {proposed}"
        raise TargetError(f"{card.id} is a table: name the column to learn{example}", allowed=possible)
    main = _named_column(columns, dataset.target, possible, target_pointer(0))
    others = [column.name for column in columns if column.kind in TARGET_KINDS and column != main]
    named = (_named_column(columns, name, others, target_pointer(i)) for i, name in enumerate(further, start=1))
    targets = (main, *named)
    for index, each in enumerate(targets):
        _check_values(each, card.counts.train, target_pointer(index))
    return targets


def _column_target(column: Column, loss: Loss | None, chosen: ChosenKind | None, pointer: str) -> TargetCard:
    """Makes a target from a column, as classes or as numbers; `chosen` is the kind that the recipe gives it."""
    asked = task_of(loss) or ("regression" if chosen == "number" else None)
    if target_task(column, asked) == "regression":
        return TargetCard(name=column.name, task="regression", minimum=column.minimum, missing=column.missing)
    _check_learned(column, pointer)
    return TargetCard(name=column.name, task="classification", classes=column.classes, missing=column.missing)


def _check_learned(column: Column, pointer: str) -> None:
    """Refuses classes that the train split of the files does not have, but another split has."""
    counts = zip(column.classes or (), column.class_counts or (), strict=False)
    absent = [repr(name[:MAX_CHARACTERS]) for name, count in counts if not count]
    if absent and len(absent) < len(column.classes or ()):
        raise TargetError(
            f"no row of the train split has the {'class' if len(absent) == 1 else 'classes'} "
            f"{listed(absent, MAX_NAMES)} of the column {column.name}, which another split has: a model cannot learn "
            "what it never sees. Add such rows to the train split, or remove those of the other split",
            pointer=pointer,
        )


def task_of(loss: Loss | None) -> Task | None:
    """Returns the task that a loss implies, or None without a loss."""
    match loss:
        case "cross_entropy" | "binary_cross_entropy":
            return "classification"
        case "squared_error" | "poisson":
            return "regression"
        case None:
            return None


def _named_column(columns: tuple[Column, ...], name: str, allowed: list[str], pointer: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise TargetError(f"there is no column {name}{did_you_mean(name, allowed)}", allowed=allowed, pointer=pointer)


def _check_no_columns(card: DatasetCard, dataset: Dataset) -> None:
    if dataset.columns != Columns():
        message = f"{card.id} has no named columns to choose among; leave `columns` out"
        raise TargetError(message, pointer="/dataset/columns")
    if dataset.sequence is not None:
        message = f"{card.id} has no named columns that could make sequences of its rows; leave `sequence` out"
        raise TargetError(message, pointer="/dataset/sequence")


def _check_values(column: Column, rows: int, pointer: str) -> None:
    """Refuses a column with a single value, with too many classes, without two rows of a class, or with too few
    labels."""
    problem = None
    if column.missing == rows:
        problem = "is empty in all rows: there is nothing to learn"
    elif column.kind == "constant" or (column.has_numbers and column.minimum == column.maximum):
        where = "all rows" if not column.missing else "all rows that have one"
        problem = f"has one value in {where}: there is nothing to learn"
    elif sum(map(bool, column.class_counts or (1, 1))) == 1:
        problem = "has one value in the train split: there is nothing to learn"
    elif not column.has_numbers and column.classes is None:
        problem = "has more than 1,000 distinct texts: too many for classes"
    elif not column.has_numbers and max(column.class_counts or (2,)) == 1:
        problem = "has another text in each row: there is nothing to learn"
    if problem is not None:
        raise TargetError(f"the column {column.name} {problem}", pointer=pointer)
    _check_labels(column, rows, pointer)


def _check_labels(target: Column | TargetCard, rows: int, pointer: str) -> None:
    labelled = rows - target.missing
    if target.missing and labelled < MIN_LABELS:
        message = f"{target.name} has a label in {labelled} of {rows:,} rows; at least {MIN_LABELS} are needed"
        raise TargetError(message, pointer=pointer)
