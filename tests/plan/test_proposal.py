"""The column that is proposed as a target."""

import pytest

from bakehouse.plan.card import Column, DatasetCard, SplitCounts
from bakehouse.plan.proposal import propose_target

DOSE = Column(name="dose", kind="number", minimum=0, maximum=1)
AREA = Column(name="area", kind="number", minimum=0, maximum=1)
KIND = Column(name="kind", kind="boolean", classes=("a", "b"), class_counts=(50, 50))
CITY = Column(
    name="city", kind="category", classes=tuple(map(str, range(30))), class_counts=(3,) * 10 + (4,) * 10 + (3,) * 10
)
RARE = Column(name="class", kind="category", classes=("a", "b", "c"), class_counts=(60, 39, 1))
NAME = Column(name="name", kind="identifier")


def card(*columns: Column) -> DatasetCard:
    """A table of a hundred rows."""
    return DatasetCard(
        id="set", origin="file set.csv", fingerprint="sha256:0", kind="table", shape=(len(columns) - 1,),
        dtype="float32", counts=SplitCounts(train=100), columns=columns, minimum=0, maximum=1,
    )  # fmt: skip


def rename(column: Column, name: str, **facts: object) -> Column:
    return column.model_copy(update={"name": name, **facts})


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ((rename(DOSE, "Price"), KIND, AREA), "Price"),
        ((rename(KIND, "survived"), KIND, AREA), "survived"),
        ((DOSE, rename(KIND, "first"), KIND, AREA), "kind"),
        ((DOSE, AREA, CITY), "area"),
        ((CITY, rename(CITY, "town")), "town"),
        ((DOSE, NAME, AREA), "area"),
        ((DOSE, AREA, rename(KIND, "class", kind="constant")), "area"),
        ((DOSE, AREA, rename(KIND, "class", missing=95)), "area"),
        ((DOSE, AREA, rename(KIND, "class", class_counts=(99, 1))), "area"),
        ((KIND, DOSE, RARE), "kind"),
        ((RARE, rename(RARE, "town")), "class"),
        ((DOSE, NAME), None),
        ((NAME, rename(NAME, "other")), None),
    ],
)
def test_the_name_decides_then_few_classes_then_numbers(columns: tuple[Column, ...], target: str | None) -> None:
    assert propose_target(card(*columns)) == target


def test_a_fixed_target_needs_no_proposal() -> None:
    assert propose_target(card(DOSE, KIND).model_copy(update={"columns": None})) is None
