"""Sequences of a long table, as a recipe makes them."""

from typing import Any

import pytest

from bakehouse.plan import sequences
from bakehouse.plan.card import Column, DatasetCard, Lengths, SplitCounts
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.sequences import measure_lengths
from bakehouse.recipe.dataset import StepRows
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe

Document = dict[str, Any]
STEPS: Document = {"id": "patient", "order": "day"}


def number(name: str, **facts: Any) -> Column:
    return Column(**{"name": name, "kind": "number", "minimum": 0, "maximum": 9, **facts})


def make_card(**changes: Column) -> DatasetCard:
    """20 patients: 5 with one row, 10 with two, 5 with six, some of whose columns are changed."""
    columns = {
        "patient": Column(name="patient", kind="identifier", group_sizes=((1, 5), (2, 10), (6, 5))),
        "day": number("day"),
        "pulse": number("pulse"),
        "weight": number("weight"),
        "ward": Column(name="ward", kind="category", classes=("a", "b", "c")),
        "ill": Column(name="ill", kind="boolean", classes=("no", "yes"), class_counts=(30, 25)),
    }
    return DatasetCard(
        id="visits", origin="nowhere", fingerprint="sha256:0", kind="table", shape=(5,), dtype="float32", minimum=0,
        maximum=9, counts=SplitCounts(train=55), columns=tuple({**columns, **changes}.values()),
    )  # fmt: skip


def plan_with(card: DatasetCard | None = None, recipe: Document | None = None, **dataset: Any) -> Plan:
    chosen = {"id": "visits", "target": "ill", "columns": {"exclude": ["ward"]}, "sequence": STEPS, **dataset}
    return make_plan(read_recipe({"architecture": "rnn", **(recipe or {}), "dataset": chosen}), card or make_card())


def test_the_samples_of_a_long_table_are_sequences() -> None:
    plan = plan_with()
    assert (plan.card.kind, plan.card.shape, plan.data.shape) == ("sequence", (6, 2), (6, 2))
    assert plan.card.lengths == plan.data.lengths == Lengths(minimum=1, median=2, maximum=6)
    assert (plan.input_columns, sum(plan.sizes)) == (("pulse", "weight"), 20)
    assert str(plan.data) == "a set of ragged sequences of 1 to 6 steps with 2 numbers each"
    # Rules that try a changed recipe plan it for the card of the plan.
    again = make_plan(plan.recipe, plan.card)
    assert (again.card, again.sizes, again.root) == (plan.card, plan.sizes, plan.root)


def test_one_name_is_the_id_and_an_included_order_is_an_input() -> None:
    assert plan_with(sequence="patient").input_columns == ("day", "pulse", "weight")
    assert plan_with(columns=["day", "pulse"]).input_columns == ("day", "pulse")


def test_steps_have_the_features_of_their_columns() -> None:
    plan = plan_with(make_card(pulse=number("pulse", missing=4)), columns={})
    assert str(plan.data) == "a set of ragged sequences of 1 to 6 steps with 3 columns each"
    # Two numbers, a flag and three classes.
    assert (plan.data.shape, plan.data.width, plan.root.children[0][1].output) == ((6, 3), 36, (6, 6))
    assert plan.data.is_double


def test_equal_lengths_are_not_ragged() -> None:
    equal = Column(name="patient", kind="identifier", group_sizes=((5, 11),))
    plan = plan_with(make_card(patient=equal), {"augmentation": "mixup"})
    assert (plan.card.shape, plan.card.lengths, plan.data.lengths) == ((5, 2), None, None)


@pytest.mark.parametrize(
    ("sizes", "count", "median"),
    [(((1, 1), (3, 1)), 2, 2.0), (((1, 2), (3, 1)), 3, 1), (((2, 1), (4, 2), (9, 1)), 4, 4)],
)
def test_the_median_is_that_of_the_sequences(sizes: tuple[tuple[int, int], ...], count: int, median: float) -> None:
    column = Column(name="patient", kind="identifier", group_sizes=sizes)
    lengths = Lengths(minimum=sizes[0][0], median=median, maximum=sizes[-1][0])
    assert measure_lengths([column], StepRows(id="patient")) == (count, lengths)


@pytest.mark.parametrize(
    ("dataset", "changes", "pointer", "message"),
    [
        ({"sequence": "patent"}, {}, "/dataset/sequence/id", "there is no column patent; did you mean 'patient'"),
        ({"sequence": "ill"}, {}, "/dataset/sequence/id", "ill is a target"),
        ({}, {"patient": Column(name="patient", kind="identifier", missing=3)}, "/dataset/sequence/id", "3 rows"),
        ({}, {"patient": Column(name="patient", kind="category", group_sizes=((11, 5),))}, "/dataset/sequence/id",
         "at least 10 are needed"),
        ({"sequence": {"id": "patient", "order": "dai"}}, {}, "/dataset/sequence/order", "there is no column dai"),
        ({"sequence": {"id": "patient", "order": "ward"}}, {}, "/dataset/sequence/order", "neither numbers nor dates"),
        ({"sequence": {"id": "patient", "order": "patient"}}, {}, "/dataset/sequence/order", "the id of the sequences"),
        ({}, {"day": number("day", missing=1)}, "/dataset/sequence/order", "empty in 1 row"),
        ({}, {"ill": Column(name="ill", kind="boolean", classes=("no", "yes"), missing=2)}, "/dataset/target",
         "empty in 2 rows"),
        ({"columns": ["patient", "pulse"]}, {}, "/dataset/columns/include/0", "from which a model cannot learn"),
        ({"columns": {"include": ["patient", "pulse"], "kinds": {"patient": "number"}}},
         {"patient": number("patient", group_sizes=((1, 12),))}, "/dataset/columns/include", "so is no input"),
        ({"split": {"type": "group", "column": "ward"}}, {}, "/dataset/split", "a group split divides rows"),
        ({"sampling": "undersample"}, {}, "/dataset/sampling", "does not count its classes"),
    ],
)  # fmt: skip
def test_what_makes_no_sequences_is_refused(
    dataset: Document, changes: dict[str, Column], pointer: str, message: str
) -> None:
    with pytest.raises(RecipeInvalid, match=message) as refused:
        plan_with(make_card(**changes), **dataset)
    assert refused.value.problems[0].pointer == pointer


def test_only_tables_with_columns_have_sequences_of_rows() -> None:
    card = make_card().model_copy(update={"columns": None, "task": "regression"})
    with pytest.raises(RecipeInvalid, match="leave `sequence` out"):
        plan_with(card, target=None, columns={})


def test_one_very_long_sequence_among_short_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_BYTES", 900)
    with pytest.raises(RecipeInvalid, match="960 bytes, each padded to the longest of 6 steps; at most 900"):
        plan_with()
