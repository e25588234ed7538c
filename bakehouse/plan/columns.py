"""Resolves `dataset.columns`: the kinds of a table's columns, and which of them are inputs."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import get_args

from bakehouse.plan.card import WHOLE_NUMBER_CLASSES, Column, Task
from bakehouse.plan.inputs import Input, InputKind
from bakehouse.plurals import listed
from bakehouse.recipe.dataset import ChosenKind, Columns
from bakehouse.recipe.problems import Problem, conflict, did_you_mean, pointer

LEARNABLE: tuple[InputKind, ...] = get_args(InputKind)
"""The kinds of columns that can be inputs."""
TARGET_KINDS = ("number", "boolean", "category")
"""The kinds of columns that are proposed as targets."""
MAX_CLASSES = 1_000
"""Limit on the classes of a column, those that its card lists."""
MAX_NAMES = 10
MAX_LISTED = 1_000
MAX_PROBLEMS = 20
"""Limit on the problems of one recipe; to find what a name is near to takes milliseconds in a table of thousands of
columns."""
PATH = ("dataset", "columns")


def with_kinds(columns: Sequence[Column], spec: Columns) -> tuple[Column, ...]:
    """Returns the columns with the kinds that the recipe gives them."""
    return tuple(
        column.model_copy(update={"kind": spec.kinds[column.name]}) if column.name in spec.kinds else column
        for column in columns
    )


def target_task(column: Column, asked: Task | None = None) -> Task:
    """Returns the task of a column: regression for numbers, except whole ones with few distinct values, which recur,
    and else classification. For a column of numbers that can be both, `asked` decides."""
    if not column.has_numbers:
        return "classification"
    if asked is not None and (asked == "regression" or column.classes is not None):
        return asked
    is_named = column.kind in ("category", "boolean")
    return "classification" if is_named or (column.kind == "number" and has_few_values(column)) else "regression"


def has_few_values(column: Column) -> bool:
    """Whether a column has few distinct whole numbers, of which each is that of two rows on average."""
    if column.classes is None or len(column.classes) > WHOLE_NUMBER_CLASSES:
        return False
    return column.class_counts is None or 2 * len(column.classes) <= sum(column.class_counts)


def resolve_inputs(columns: Sequence[Column], spec: Columns, targets: Collection[str]) -> tuple[Input, ...]:
    """Returns the inputs in the order of the table; `columns` have their kinds from the recipe."""
    names = asked_names(columns, spec, targets)
    return tuple(
        as_input(column, kind, has_flag=spec.missing == "mean_and_flag")
        for column in columns
        for kind in LEARNABLE
        if column.kind == kind and column.name in names
    )


def as_input(column: Column, kind: InputKind, *, has_flag: bool) -> Input:
    has_gaps = column.has_gaps
    return Input(
        name=column.name,
        kind=kind,
        # A number that is learned as a category is stored as its class, too.
        classes=column.classes or () if kind in ("category", "boolean") or not column.has_numbers else (),
        form=column.form,
        has_gaps=has_gaps,
        has_flag=has_gaps and has_flag,
        has_times=kind == "date" and column.has_times,
    )


def asked_names(columns: Sequence[Column], spec: Columns, targets: Collection[str]) -> set[str]:
    """Returns the names of the columns that are inputs if their kind allows it."""
    included = {column.name for column in columns} if spec.include is None else set(spec.include)
    return included - {*targets, *spec.exclude}


def left_out(columns: Sequence[Column], spec: Columns, targets: Collection[str]) -> list[Column]:
    """Returns the columns that are no inputs only because a model cannot learn from their kind."""
    names = asked_names(columns, spec, targets) - spec.kinds.keys()
    return [column for column in columns if column.kind not in LEARNABLE and column.name in names]


def fitting_kinds(column: Column) -> tuple[ChosenKind, ...]:
    """Returns the kinds that a recipe can give a column, its own first."""
    kinds: list[ChosenKind] = [known for known in get_args(ChosenKind) if known == column.kind]
    if column.kind == "boolean" or column.has_numbers:
        kinds.append("number")
    if column.classes is not None:
        kinds += ["category", "boolean"] if len(column.classes) == 2 else ["category"]
    return (*dict.fromkeys([*kinds, "identifier", "text"]),)


def column_problems(columns: Sequence[Column], spec: Columns, targets: Collection[str]) -> Iterator[Problem]:
    """Yields what is wrong with the columns that a recipe names, at most so many; `columns` have the kinds of the
    card."""
    return islice(_column_problems(columns, spec, targets), MAX_PROBLEMS)


def _column_problems(columns: Sequence[Column], spec: Columns, targets: Collection[str]) -> Iterator[Problem]:
    by_name = {column.name: column for column in columns}
    yield from unknown_names(by_name, spec)
    for name, kind in spec.kinds.items():
        if name in by_name and kind not in (kinds := fitting_kinds(by_name[name])):
            yield conflict(pointer([*PATH, "kinds", name]), misfit(by_name[name], kind), kinds)
    for place, column in enumerate(map(by_name.get, spec.include or ())):
        if column is not None and (reason := why_no_input(column, spec, targets)):
            yield conflict(pointer([*PATH, "include", place]), f"{column.name} {reason}")
    if spec.missing == "refuse":
        names = asked_names(columns, spec, targets)
        yield from gaps([column for column in with_kinds(columns, spec) if column.name in names])


def unknown_names(known: Collection[str], spec: Columns) -> Iterator[Problem]:
    named: list[tuple[str, Sequence[str | int]]] = [
        *((name, (*PATH, "include", place)) for place, name in enumerate(spec.include or ())),
        *((name, (*PATH, "exclude", place)) for place, name in enumerate(spec.exclude)),
        *((name, (*PATH, "kinds", name)) for name in spec.kinds),
    ]
    for name, path in named:
        if name not in known:
            message = f"there is no column {name}{did_you_mean(name, known)}"
            allowed = tuple(known) if len(known) <= MAX_LISTED else None
            yield Problem(pointer=pointer(path), code="column", message=message, allowed=allowed)


def misfit(column: Column, kind: ChosenKind) -> str:
    """Says why a column cannot have a kind."""
    match kind:
        case "category" if column.has_numbers and not column.whole:
            reason = "its numbers are not whole"
        case "category":
            reason = f"it has more than {MAX_CLASSES:,} distinct values" if column.classes is None else ""
        case "boolean":
            count = "many" if column.classes is None else f"{len(column.classes):,}"
            reason = f"it has {count} distinct values, and not two"
        case "number":
            reason = "its values are not numbers"
        case _:
            reason = "its values are not read as dates"
    return f"{column.name} cannot be a {kind}: the data set has it as a {column.kind}, and {reason}"


def why_no_input(column: Column, spec: Columns, targets: Collection[str]) -> str | None:
    """Says why a column that a recipe includes is no input; None if it is one."""
    kind = spec.kinds.get(column.name, column.kind)
    if column.name in targets:
        return "is a target, and so no input; leave it out of the list"
    if column.name in spec.exclude:
        return "is excluded too; leave it out of one of the two lists"
    if kind in LEARNABLE:
        return None
    others = [other for other in fitting_kinds(column) if other in LEARNABLE]
    remedy = (
        f"set dataset.columns.kinds to learn from it as a {' or '.join(others)}, or leave it" if others else "leave it"
    )
    return f"is {describe_kind(kind)}, from which a model cannot learn; {remedy} out of the list"


def describe_kind(kind: str) -> str:
    """Returns the name of a kind in a sentence."""
    match kind:
        case "identifier":
            return "an identifier"
        case "text":
            return "free text"
        case "constant":
            return "the same in all rows"
        case _:
            return f"a {kind}"


def gaps(inputs: Sequence[Column]) -> Iterator[Problem]:
    """Refuses empty cells in inputs."""
    found = [column for column in inputs if column.has_gaps and column.kind in LEARNABLE]
    empty = [f"{column.name} in {column.missing + sum(column.missing_in.values()):,}" for column in found]
    if empty:
        message = f"inputs are empty in some rows: {listed(empty)}; fill them in, exclude the columns, or let missing "
        message += "be filled"
        yield conflict(pointer([*PATH, "missing"]), message, ("mean_and_flag", "mean", "median"))
