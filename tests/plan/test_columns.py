"""Which columns of a table are inputs, and what is wrong with those that a recipe names."""

from typing import Any

import pytest

from bakehouse.plan.card import Column
from bakehouse.plan.columns import fitting_kinds
from bakehouse.plan.inputs import Encoding
from bakehouse.plan.layers import Embed, EncodeColumns, Normalize
from bakehouse.plan.plan import Plan
from bakehouse.recipe.problems import RecipeInvalid
from tests import mixed_table
from tests.plan.cards import image_card, planned

ALL = ("age", "dogs", "night", "fare", "city", "left")


def plan_of(columns: object, target: str = "late", **document: Any) -> Plan:
    dataset = {"id": mixed_table.NAME, "target": target, "columns": columns}
    return planned({"dataset": dataset, **document}, mixed_table.card())


@pytest.mark.parametrize(
    ("columns", "inputs"),
    [
        ({}, ALL),
        (["city", "age"], ("age", "city")),
        ({"include": "age"}, ("age",)),
        ({"exclude": ["age", "late"]}, ALL[1:]),
        ({"exclude": "city", "kinds": {"fare": "text", "dogs": "identifier"}}, ("age", "night", "left")),
    ],
)
def test_inputs_are_the_columns_that_are_asked_for_in_the_order_of_the_table(
    columns: object, inputs: tuple[str, ...]
) -> None:
    plan = plan_of(columns)
    assert plan.input_columns == inputs
    assert plan.data.shape == (len(inputs),)


@pytest.mark.parametrize("target", ["fare", "night", "dogs", "age"])
def test_any_column_can_be_the_target_beside_texts(target: str) -> None:
    assert target not in (plan_of({}, target).input_columns or ())


@pytest.mark.parametrize(
    ("columns", "pointer", "message", "allowed"),
    [
        ({"exclude": ["aeg"]}, "/dataset/columns/exclude/0", "there is no column aeg; did you mean 'age'?", None),
        (["age", "dgos"], "/dataset/columns/include/1", "there is no column dgos; did you mean 'dogs'?", None),
        ({"kinds": {"a/b": "number"}}, "/dataset/columns/kinds/a~1b", "there is no column a/b", None),
        ({"kinds": {"fare": "number"}}, "/dataset/columns/kinds/fare",
         "fare cannot be a number: the data set has it as a category, and its values are not numbers",
         ("category", "identifier", "text")),
        ({"kinds": {"fare": "boolean"}}, "/dataset/columns/kinds/fare", "it has 3 distinct values, and not two",
         ("category", "identifier", "text")),
        ({"kinds": {"age": "category"}}, "/dataset/columns/kinds/age", "its numbers are not whole",
         ("number", "identifier", "text")),
        ({"kinds": {"dogs": "date"}}, "/dataset/columns/kinds/dogs", "its values are not read as dates",
         ("number", "category", "identifier", "text")),
        ({"kinds": {"name": "category"}}, "/dataset/columns/kinds/name", "it has more than 1,000 distinct values",
         ("text", "identifier")),
        (["age", "late"], "/dataset/columns/include/1", "late is a target, and so no input", None),
        (["age", "name"], "/dataset/columns/include/1", "name is free text, from which a model cannot learn", None),
        ({"include": ["age"], "exclude": ["age"]}, "/dataset/columns/include/0", "age is excluded too", None),
        ({"include": ["dogs", "night"], "missing": "refuse"}, "/dataset/columns/missing",
         "inputs are empty in some rows: night in ", ("mean_and_flag", "mean", "median")),
        ({"exclude": ALL}, "/dataset/columns", "no column is left as an input: name is free text", None),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused_where_they_are(
    columns: object, pointer: str, message: str, allowed: tuple[str, ...] | None
) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        plan_of(columns)
    [problem] = caught.value.problems
    assert (problem.pointer, message in problem.message) == (pointer, True), problem.message
    assert allowed is None or problem.allowed == allowed


def test_every_wrong_name_is_reported() -> None:
    with pytest.raises(RecipeInvalid) as caught:
        plan_of({"include": ["a"], "exclude": ["b"], "kinds": {"c": "date"}})
    assert len(caught.value.problems) == 3


def test_only_a_table_with_named_columns_has_columns_to_choose() -> None:
    with pytest.raises(RecipeInvalid, match="no named columns"):
        planned({"dataset": {"id": "pictures", "columns": ["age"]}}, image_card())


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        (Column(name="id", kind="identifier", whole=True, minimum=1, maximum=5000), ("identifier", "number", "text")),
        (Column(name="day", kind="date", minimum=0, maximum=1), ("date", "number", "identifier", "text")),
        (Column(name="sex", kind="boolean", classes=("f", "m")),
         ("boolean", "number", "category", "identifier", "text")),
        (Column(name="half", kind="number", whole=True, classes=("1", "2"), minimum=1, maximum=2),
         ("number", "category", "boolean", "identifier", "text")),
        (Column(name="zip", kind="identifier", classes=("a", "b", "c")), ("identifier", "category", "text")),
    ],
)  # fmt: skip
def test_the_kinds_that_fit_follow_from_the_values(column: Column, kinds: tuple[str, ...]) -> None:
    assert fitting_kinds(column) == kinds


def test_the_kind_of_a_target_decides_between_classes_and_numbers() -> None:
    assert plan_of({"kinds": {"dogs": "number"}}, "dogs").data.main.task == "regression"
    assert plan_of({"kinds": {"dogs": "category"}}, "dogs").data.main.classes == ("0", "1", "2", "3")
    assert plan_of({}, "dogs").data.main.task == "classification"


def test_numbers_without_gaps_are_only_scaled() -> None:
    first = plan_of(["dogs"]).root.children[0][1]
    assert isinstance(first, Normalize)
    assert isinstance(plan_of(["dogs", "age"]).root.children[0][1], EncodeColumns)


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [
        ("mlp", ((17, 40, 20),)),
        ({"type": "mlp", "embed_from": 3}, ((14, 3, 2), (17, 40, 20))),
        ({"type": "mlp", "embed_from": 3, "embedding_width": 5}, ((14, 3, 5), (17, 40, 5))),
        ({"type": "mlp", "embed_from": 41}, None),
        ("linear", None),
    ],
)
def test_categories_of_many_classes_are_embedded_in_mlp(architecture: object, blocks: object) -> None:
    layers = [layer for _, layer in plan_of({}, architecture=architecture).root.children]
    found = [layer for layer in layers if isinstance(layer, Embed)]
    assert [layer.blocks for layer in found] == ([] if blocks is None else [blocks])


def test_an_embedding_counts_its_matrix() -> None:
    layer = Embed((57,), ((14, 3, 2), (17, 40, 20)))
    assert (layer.output, layer.parameters, layer.flops) == ((36,), 806, 1612)


def test_an_encoding_without_categories_has_no_blocks() -> None:
    assert Encoding(plan_of(["age", "left"]).data.inputs).blocks == ()


def test_a_recipe_of_thousands_of_wrong_names_has_a_few_problems() -> None:
    with pytest.raises(RecipeInvalid) as caught:
        plan_of({"exclude": [f"wrong {number}" for number in range(2_000)]})
    assert len(caught.value.problems) == 20
