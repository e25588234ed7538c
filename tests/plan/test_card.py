"""What a target means for a data set."""

import pytest

from bakehouse.plan.card import Column, DatasetCard, SplitCounts, TargetError, Task, resolve_target, target_task

AGE = Column(name="age", kind="integer", classes=("1", "2"), class_counts=(6, 4), minimum=1, maximum=2, mean=1.4)
DOSE = Column(name="dose", kind="number", minimum=0, maximum=1, mean=0.5)
FLAT = Column(name="flat", kind="number", minimum=1, maximum=1, mean=1)
KIND = Column(name="kind", kind="text", classes=("a", "b"), class_counts=(5, 5))
NOTE = Column(name="note", kind="text")


def many(count: int) -> Column:
    """A column of so many different whole numbers."""
    return Column(name="many", kind="integer", classes=tuple(map(str, range(count))), minimum=0, maximum=count)


def card(*columns: Column) -> DatasetCard:
    """A table of ten rows."""
    return DatasetCard(
        id="set", origin="file set.csv", fingerprint="sha256:0", kind="table", shape=(len(columns) - 1,),
        dtype="float32", counts=SplitCounts(train=10), columns=columns, minimum=0, maximum=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "task"),
    [
        (KIND, "classification"),
        (many(20), "classification"),
        (many(21), "regression"),
        (Column(name="id", kind="integer"), "regression"),
        (DOSE, "regression"),
    ],
)
def test_text_and_few_whole_numbers_are_classes(column: Column, task: Task) -> None:
    assert target_task(column) == task


def test_the_target_is_the_named_column() -> None:
    resolved = resolve_target(card(AGE, DOSE, KIND), "kind")
    assert (resolved.task, resolved.shape, resolved.classes) == ("classification", (2,), ("a", "b"))
    assert resolve_target(card(AGE, DOSE), "age").class_counts == (6, 4)
    assert resolve_target(card(AGE, DOSE), "dose").classes is None


@pytest.mark.parametrize(
    ("columns", "target", "message", "allowed"),
    [
        ((AGE, DOSE), None, "set is a table: name the column to learn", ("age", "dose")),
        ((AGE, DOSE, KIND), "knid", "there is no column knid; did you mean kind?", ("kind",)),
        ((AGE, DOSE, KIND), "age", "features must be numbers, but text is in: kind", ("kind",)),
        ((AGE, NOTE, KIND), "kind", "features must be numbers, but text is in: note", ()),
        ((AGE, NOTE), "note", "the column note has more than 1,000 different texts", ()),
        ((AGE, FLAT), "flat", "the column flat has one value in all rows", ()),
    ],
)
def test_targets_that_cannot_be_learnt_are_explained(
    columns: tuple[Column, ...], target: str | None, message: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(TargetError) as caught:
        resolve_target(card(*columns), target)
    assert message in caught.value.message
    assert caught.value.allowed == allowed


def test_a_fixed_target_cannot_be_named() -> None:
    fixed = card(AGE, DOSE).model_copy(update={"columns": None, "task": "regression"})
    assert resolve_target(fixed, None).task == "regression"
    with pytest.raises(TargetError, match="has one target of its own"):
        resolve_target(fixed, "age")
