"""What a recipe learns from a data set: its target, and those of its further tasks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bakehouse.plan.card import WHOLE_NUMBER_CLASSES, Column, DatasetCard, ResolvedData, Target, Task
from bakehouse.recipe.problems import did_you_mean

Wanted = tuple[str, Task | None]
"""A further target, and what a column of numbers is to be taken for."""

MAIN = "main"
"""The data set's own target among the tasks, in names of metrics and layers."""
TAKEN = (MAIN, "clean", "crops", "monte_carlo", "adversarial")
"""Between a split's name and `loss`, these stand for something else than a task."""
FEW_LABELS = 10


class TargetError(ValueError):
    """A recipe's target does not fit its data set."""

    def __init__(self, message: str, *, allowed: Iterable[str] = (), pointer: str = "/dataset/target") -> None:
        super().__init__(message)
        self.message = message
        self.allowed = tuple(allowed)
        self.pointer = pointer


def target_task(column: Column, asked: Task | None = None) -> Task:
    """Text and whole numbers with few different values are classes, unless a recipe asks for something else
    of the numbers; all else is regression."""
    if asked is not None and column.kind != "text" and (asked == "regression" or column.classes is not None):
        return asked
    few = column.classes is not None and len(column.classes) <= WHOLE_NUMBER_CLASSES
    return "classification" if column.kind == "text" or (column.kind == "integer" and few) else "regression"


def resolve_target(
    card: DatasetCard, target: str | None, *, task: Task | None = None, tasks: Sequence[Wanted] = ()
) -> ResolvedData:
    """What is learnt from the set: its fixed target or the column that the recipe names, and the further `tasks`.

    `task` overrules what a column of numbers is taken for.
    """
    _check_names(target, [name for name, _ in tasks])
    if card.columns is None:
        main = _fixed_target(card, target)
        return replace(main, tasks=tuple(_further_target(card, place, name) for place, (name, _) in enumerate(tasks)))
    return _table_targets(card, card.columns, target, task, tasks)


def task_pointer(place: int) -> str:
    """Where the recipe names the target of a task."""
    return f"/objective/tasks/{place}/target"


def _check_names(target: str | None, names: list[str]) -> None:
    for place, name in enumerate(names):
        if name == target:
            raise TargetError(f"{name} is the target of the data set already", pointer=task_pointer(place))
        if name in names[:place]:
            raise TargetError(f"{name} stands twice", pointer=task_pointer(place))
        if name in TAKEN:
            message = f"validation_{name}_loss is a metric of its own; give the target another name"
            raise TargetError(message, pointer=task_pointer(place))


def _fixed_target(card: DatasetCard, target: str | None) -> ResolvedData:
    if target is not None:
        raise TargetError(f"{card.id} has one target of its own; leave `target` out")
    assert card.task is not None, "a set without columns has a task"
    return ResolvedData(card.task, card.shape, card.classes, card.class_counts, is_double=card.dtype == "float64")


def _further_target(card: DatasetCard, place: int, name: str) -> Target:
    for target in card.targets:
        if target.name == name:
            _check_labels(target, card.counts.train, task_pointer(place))
            return target
    allowed = [target.name for target in card.targets]
    has = "" if allowed else ": it has none beside its own"
    message = f"{card.id} has no target {name}{did_you_mean(name, allowed)}{has}"
    raise TargetError(message, allowed=allowed, pointer=task_pointer(place))


def _table_targets(
    card: DatasetCard, columns: tuple[Column, ...], target: str | None, task: Task | None, tasks: Sequence[Wanted]
) -> ResolvedData:
    further = tuple(name for name, _ in tasks)
    if target is None:
        message = f"{card.id} is a table: name the column to learn"
        raise TargetError(message, allowed=_possible_targets(columns, further))
    column = _named_column(columns, target, _possible_targets(columns, further))
    others = [each.name for each in columns if each != column]
    wanted = [_named_column(columns, name, others, task_pointer(place)) for place, name in enumerate(further)]
    learnt = (column, *wanted)
    _check_features(columns, learnt)
    _check_blanks(card, columns, learnt)
    for place, each in enumerate(learnt):
        _check_values(each, card.counts.train, "/dataset/target" if place == 0 else task_pointer(place - 1))
    main = _column_target(column, task)
    shape = (len(columns) - len(learnt),)
    found = tuple(_column_target(each, asked) for each, (_, asked) in zip(wanted, tasks, strict=True))
    is_double = any(column.dtype == "float64" for column in _features(columns, learnt))
    return ResolvedData(main.task, shape, main.classes, main.class_counts, main.minimum, found, is_double)


def _column_target(column: Column, asked: Task | None) -> Target:
    """The column as what it is taken for."""
    if target_task(column, asked) == "regression":
        return Target(name=column.name, task="regression", minimum=column.minimum, missing=column.missing)
    return Target(
        name=column.name,
        task="classification",
        classes=column.classes,
        class_counts=column.class_counts,
        missing=column.missing,
    )


def _named_column(
    columns: tuple[Column, ...], name: str, allowed: list[str], pointer: str = "/dataset/target"
) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise TargetError(f"there is no column {name}{did_you_mean(name, allowed)}", allowed=allowed, pointer=pointer)


def _possible_targets(columns: tuple[Column, ...], further: tuple[str, ...]) -> list[str]:
    """Features must be numbers, so a single text column is the only target, and two leave none."""
    free = [column for column in columns if column.name not in further]
    text = [column.name for column in free if column.kind == "text"]
    return [column.name for column in free if text in ([], [column.name])]


def _check_features(columns: tuple[Column, ...], learnt: tuple[Column, ...]) -> None:
    text = [column.name for column in _features(columns, learnt) if column.kind == "text"]
    if text:
        names = ", ".join(text[:10])
        what = f"features must be numbers, but text is in: {names}; write it as numbers, or leave the columns out"
        raise TargetError(what, allowed=_possible_targets(columns, tuple(column.name for column in learnt[1:])))
    if len(learnt) == len(columns):
        message = "every column is a target, and none is left as an input"
        raise TargetError(message, pointer=task_pointer(len(learnt) - 2))


def _check_blanks(card: DatasetCard, columns: tuple[Column, ...], learnt: tuple[Column, ...]) -> None:
    """What is not known of a row can be learnt from the others, but nothing can be computed from it."""
    blank = [column for column in _features(columns, learnt) if column.missing]
    if blank:
        told = ", ".join(f"{column.name} in {column.missing:,}" for column in blank[:10])
        message = f"inputs are empty in some of the {card.counts.train:,} rows: {told}; fill them in, leave the rows "
        message += "or the columns out, or learn the column as a task"
        raise TargetError(message, pointer="/dataset/id")
    if learnt[0].missing and len(learnt) == 1:
        message = f"{learnt[0].name} is empty in {learnt[0].missing:,} of {card.counts.train:,} rows, from which there "
        message += "is nothing else to learn; leave the rows out, or name further targets in objective.tasks"
        raise TargetError(message)


def _features(columns: tuple[Column, ...], learnt: tuple[Column, ...]) -> Iterator[Column]:
    return (column for column in columns if column not in learnt)


def _check_values(column: Column, rows: int, pointer: str) -> None:
    if column.kind == "text" and column.classes is None:
        message = f"the column {column.name} has more than 1,000 different texts: too many for classes"
        raise TargetError(message, pointer=pointer)
    _check_labels(column, rows, pointer)
    one_text = column.classes is not None and len(column.classes) == 1
    one_number = column.minimum is not None and column.minimum == column.maximum
    if one_text or one_number:
        where = "all rows" if not column.missing else "all rows that have one"
        message = f"the column {column.name} has one value in {where}: there is nothing to learn"
        raise TargetError(message, pointer=pointer)


def _check_labels(target: Column | Target, rows: int, pointer: str) -> None:
    """As few rows as a data set may have."""
    labelled = rows - target.missing
    if target.missing and labelled < FEW_LABELS:
        message = f"{target.name} has a label in {labelled} of {rows:,} rows; at least {FEW_LABELS} are needed"
        raise TargetError(message, pointer=pointer)
