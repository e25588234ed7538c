"""The description of the ingredients, from which a form can be drawn."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.ingredients import Family, IngredientField, Ingredients, Variant, ingredients
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.schema_strategies import Definitions, any_value

Strategy = st.SearchStrategy[Any]
# What a client receives.
DESCRIBED = Ingredients.model_validate_json(ingredients().model_dump_json())
MAX_SET = 4
"""Optional fields that a generated recipe or ingredient has."""


def some_of(always: dict[str, Strategy], optional: dict[str, Strategy]) -> Strategy:
    """Objects with the fields that are required, and a few others."""
    if not optional:
        return st.fixed_dictionaries(always)
    chosen = st.sets(st.sampled_from(sorted(optional)), max_size=MAX_SET)
    return chosen.flatmap(lambda names: st.fixed_dictionaries(always | {name: optional[name] for name in names}))


def objects(variant: Variant) -> Strategy:
    """What a form can make of a variant."""
    tag = {} if variant.type is None else {"type": st.just(variant.type)}
    fields = {field.name: values(field) for field in variant.fields}
    required = {field.name for field in variant.fields if field.required}
    return some_of(
        tag | {name: fields[name] for name in sorted(required)},
        {name: fields[name] for name in fields.keys() - required},
    )


def values(field: IngredientField) -> Strategy:
    """What a form can make of a field."""
    if not field.variants:
        return any_value(field.json_schema, Definitions({}, {}))
    items = st.one_of(list(map(objects, field.variants)))
    most = field.json_schema.get("maxItems", 2)
    filled = st.lists(items, max_size=min(most, 2)) if field.several else items
    return filled | st.none() if field.nullable else filled


def short_forms(family: Family) -> Strategy:
    """What a recipe may have in place of a whole ingredient of a family."""
    forms = [st.just(each.type) for each in family.variants if each.type and not needs_more(each)]
    forms += [
        values(field)
        for each in family.variants
        for field in each.fields
        if field.name == each.main and each.type == family.number
    ]
    return st.one_of(forms) if forms else st.nothing()


def needs_more(variant: Variant) -> bool:
    return any(field.required for field in variant.fields)


def ingredients_of(family: Family) -> Strategy:
    whole = st.one_of(list(map(objects, family.variants)))
    return (st.lists(whole, max_size=3) if family.several else whole) | short_forms(family)


FIELDS = {field.name: values(field) for field in DESCRIBED.fields} | {
    family.name: ingredients_of(family) for family in DESCRIBED.families
}
REQUIRED = {family.name for family in DESCRIBED.families if family.required}


@given(
    some_of(
        {name: FIELDS[name] for name in sorted(REQUIRED)}, {name: FIELDS[name] for name in FIELDS.keys() - REQUIRED}
    )
)
def test_a_recipe_made_from_the_description_is_refused_only_for_combinations(document: dict[str, Any]) -> None:
    # Two fields that are right by themselves may contradict each other.
    assert codes_of_problems(document) <= {"conflict"}


def codes_of_problems(document: dict[str, Any]) -> set[str]:
    try:
        read_recipe(document)
    except RecipeInvalid as error:
        return {problem.code for problem in error.problems}
    return set()


def test_the_order_is_that_of_the_recipe_and_has_everything() -> None:
    assert DESCRIBED.order == tuple(Recipe.model_fields)
    assert set(DESCRIBED.order) == FIELDS.keys()


def nodes(node: Any) -> list[dict[str, Any]]:
    """All objects inside a document."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [*([node] if isinstance(node, dict) else []), *(found for item in inside for found in nodes(item))]


def test_a_schema_has_no_references_and_only_bounds_of_its_type() -> None:
    for schema in nodes([node["json_schema"] for node in nodes(DESCRIBED.model_dump()) if "json_schema" in node]):
        assert "$ref" not in schema
        if schema.get("type") == "array":
            assert not {"minLength", "maxLength"} & schema.keys(), schema


@pytest.mark.parametrize(
    ("family", "number"),
    [("dropout", "dropout"), ("early_stopping", "patience"), ("norm", None), ("dataset", None), ("optimizer", None)],
)
def test_a_family_names_the_variant_that_a_bare_number_stands_for(family: str, number: str | None) -> None:
    assert next(each.number for each in DESCRIBED.families if each.name == family) == number


def test_a_field_says_whether_it_takes_null_and_a_list() -> None:
    [objective] = next(each.variants for each in DESCRIBED.families if each.name == "objective")
    fields = {field.name: (field.nullable, field.several) for field in objective.fields}
    assert (fields["label_smoothing"], fields["tasks"], fields["loss"]) == ((True, False), (False, True), (True, False))
    assert all(field.description for field in objective.fields)
