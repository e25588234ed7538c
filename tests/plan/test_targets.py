"""The targets of a recipe for a data set."""

import pytest

from bakehouse.plan.card import Column, DatasetCard, SplitCounts, TargetCard, Task
from bakehouse.plan.columns import target_task
from bakehouse.plan.targets import ResolvedData, TargetError, resolve_targets
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.objective import Objective

AGE = Column(
    name="age", kind="number", whole=True, classes=("1", "2"), class_counts=(6, 4), minimum=1, maximum=2, mean=1.4
)
DOSE = Column(name="dose", kind="number", minimum=0, maximum=1, mean=0.5)
EMPTY = Column(name="empty", kind="constant", classes=(), class_counts=(), missing=10)
FLAT = Column(name="flat", kind="number", minimum=1, maximum=1, mean=1)
KIND = Column(name="kind", kind="boolean", classes=("a", "b"), class_counts=(5, 5))
NAMES = Column(name="names", kind="identifier", classes=tuple("abcdefghij"), class_counts=(1,) * 10)
NOTE = Column(name="note", kind="text")


def many(count: int) -> Column:
    """A column of so many different whole numbers."""
    return Column(
        name="many", kind="number", whole=True, classes=tuple(map(str, range(count))), minimum=0, maximum=count
    )


def card(*columns: Column) -> DatasetCard:
    """A table of ten rows."""
    return DatasetCard(
        id="set", origin="file set.csv", fingerprint="sha256:0", kind="table", shape=(len(columns) - 1,),
        dtype="float32", counts=SplitCounts(train=10), columns=columns, minimum=0, maximum=1,
    )  # fmt: skip


def resolve(card: DatasetCard, target: str | None, *tasks: object) -> ResolvedData:
    """The targets of a recipe with these further tasks."""
    return resolve_targets(card, Dataset(id="set", target=target), Objective.model_validate({"tasks": tasks}))


@pytest.mark.parametrize(
    ("column", "task"),
    [
        (KIND, "classification"),
        (many(20), "classification"),
        (many(21), "regression"),
        (Column(name="id", kind="number", whole=True, minimum=0, maximum=5000), "regression"),
        (DOSE, "regression"),
        (many(5).model_copy(update={"class_counts": (2,) * 5}), "classification"),
        (many(5).model_copy(update={"class_counts": (1, 2, 2, 2, 2)}), "regression"),
    ],
)
def test_text_and_few_whole_numbers_are_classes(column: Column, task: Task) -> None:
    assert target_task(column) == task


def test_the_target_is_the_named_column() -> None:
    resolved = resolve(card(AGE, DOSE, KIND), "kind")
    assert (resolved.main.task, resolved.shape, resolved.main.classes) == ("classification", (2,), ("a", "b"))
    assert (resolved.main.name, resolved.main.loss, resolved.further) == ("kind", "cross_entropy", ())
    assert resolve(card(AGE, DOSE), "age").main.classes == ("1", "2")
    assert resolve(card(AGE, DOSE), "dose").main.classes is None


@pytest.mark.parametrize(
    ("columns", "target", "message", "allowed"),
    [
        ((AGE, DOSE), None, "set is a table: name the column to learn, such as dose", ("age", "dose")),
        ((AGE, DOSE, KIND), "knid", "there is no column knid; did you mean 'kind'?", ("age", "dose", "kind")),
        ((NOTE, KIND), "kind", "no column is left as an input: note is free text", ()),
        ((AGE, NAMES), "names", "the column names has another text in each row", ()),
        ((AGE, NOTE), "note", "the column note has more than 1,000 distinct texts", ()),
        ((AGE, FLAT), "flat", "the column flat has one value in all rows", ()),
        ((AGE, DOSE, EMPTY), "empty", "the column empty is empty in all rows", ()),
    ],
)
def test_targets_that_cannot_be_learnt_are_explained(
    columns: tuple[Column, ...], target: str | None, message: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(TargetError) as caught:
        resolve(card(*columns), target)
    assert message in caught.value.message
    assert caught.value.allowed == allowed


def test_a_fixed_target_cannot_be_named() -> None:
    fixed = card(AGE, DOSE).model_copy(update={"columns": None, "task": "regression"})
    assert resolve(fixed, None).main.task == "regression"
    with pytest.raises(TargetError, match="has a fixed target; leave"):
        resolve(fixed, "age")


RARE = DOSE.model_copy(update={"name": "rare", "missing": 4})
GRADE = KIND.model_copy(update={"name": "grade"})
PARITY = TargetCard(name="parity", task="classification", classes=("even", "odd"), class_counts=(5, 5))
SELDOM = TargetCard(name="seldom", task="regression", minimum=0, missing=95)
DIGITS_CNN = card(AGE, DOSE).model_copy(
    update={"columns": None, "task": "regression", "targets": (PARITY, SELDOM), "counts": SplitCounts(train=100)}
)


def large(*columns: Column) -> DatasetCard:
    """A table of a hundred rows."""
    return card(*columns).model_copy(update={"counts": SplitCounts(train=100)})


def test_a_column_that_is_a_task_is_no_input() -> None:
    resolved = resolve(large(AGE, DOSE, KIND, RARE), "kind", "rare", {"target": "age", "loss": "squared_error"})
    assert (resolved.main.classes, resolved.shape) == (("a", "b"), (1,))
    assert [target.name for target in resolved.further] == ["rare", "age"]
    assert {target.task for target in resolved.further} == {"regression"}


def test_rows_without_a_label_of_the_only_target_are_left_out() -> None:
    assert resolve(large(AGE, DOSE, RARE), "rare", "age").unlabelled == 0
    assert resolve(large(AGE, DOSE, RARE), "rare").unlabelled == 4


def test_two_columns_of_text_may_both_be_learnt() -> None:
    assert resolve(card(DOSE, KIND, GRADE), "kind", "grade").shape == (1,)


def test_further_targets_of_a_fixed_set() -> None:
    assert [target.classes for target in resolve(DIGITS_CNN, None, "parity").further] == [PARITY.classes]


@pytest.mark.parametrize(
    ("known", "target", "tasks", "pointer", "message", "allowed"),
    [
        (large(AGE, DOSE, KIND), "kind", ["doze"], "/objective/tasks/0/target",
         "there is no column doze; did you mean 'dose'?", ("age", "dose")),
        (large(AGE, DOSE, KIND), "kind", ["dose", "dose"], "/objective/tasks/1/target",
         "dose is listed twice", ()),
        (large(AGE, DOSE, KIND), "kind", ["kind"], "/objective/tasks/0/target",
         "kind is the target of the data set already", ()),
        (large(AGE, DOSE, KIND), "kind", ["main"], "/objective/tasks/0/target",
         "validation_main_loss is the name of another metric", ()),
        (large(AGE, DOSE), "age", ["dose"], "/objective/tasks/0/target", "none is left as an input", ()),
        (large(AGE, FLAT, KIND), "kind", ["flat"], "/objective/tasks/0/target",
         "the column flat has one value in all rows", ()),
        (card(AGE, DOSE, RARE), "age", ["rare"], "/objective/tasks/0/target",
         "rare has a label in 6 of 10 rows; at least 10 are needed", ()),
        (DIGITS_CNN, None, ["party"], "/objective/tasks/0/target",
         "set has no target party; did you mean 'parity'?", ("parity", "seldom")),
        (DIGITS_CNN, None, ["seldom"], "/objective/tasks/0/target", "seldom has a label in 5 of 100 rows", ()),
        (DIGITS_CNN.model_copy(update={"targets": ()}), None, ["parity"], "/objective/tasks/0/target",
         "it has only its fixed target", ()),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_learnt_are_explained(
    known: DatasetCard, target: str | None, tasks: list[str], pointer: str, message: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(TargetError) as caught:
        resolve(known, target, *tasks)
    assert message in caught.value.message
    assert (caught.value.pointer, caught.value.allowed) == (pointer, allowed)
