"""What identifies a recipe, and how the language is built."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.model import descriptions
from bakehouse.recipe.ingredient import Ingredient, Off, variants
from bakehouse.recipe.norm import BatchNorm
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import L2, WeightDecay
from tests.plan.cards import Document
from tests.strategies import documents

SHORT: Document = {"dataset": "digits", "architecture": "mlp"}
FAMILIES = [
    variant
    for field in Recipe.model_fields.values()
    for variant in variants(field.annotation).values()
    if "type" in variant.model_fields
]


@pytest.mark.parametrize("variant", FAMILIES, ids=lambda variant: variant.__name__)
def test_the_type_of_a_variant_is_its_class_in_snake_case(variant: type[Ingredient]) -> None:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", variant.__name__).lower()
    assert variant.model_fields["type"].default == ("none" if variant is Off else snake)


@pytest.mark.parametrize("variant", [*FAMILIES, Recipe], ids=lambda variant: variant.__name__)
def test_every_variant_says_what_it_is_and_has_its_main_field(variant: type[Ingredient]) -> None:
    assert variant.__doc__
    assert variant.main is None or variant.main in variant.model_fields


@pytest.mark.parametrize("variant", FAMILIES, ids=lambda variant: variant.__name__)
def test_every_setting_says_what_it_means(variant: type[Ingredient]) -> None:
    assert variant.model_fields.keys() - {"type"} <= descriptions(variant).keys()


@pytest.mark.parametrize("change", [{"name": "other"}, {"labels": {"study": "a"}}])
def test_names_and_labels_are_not_hashed(change: Document) -> None:
    assert read_recipe({**SHORT, **change}).sha256() == read_recipe(SHORT).sha256()


def test_seeds_of_one_recipe_find_each_other() -> None:
    first, second = (read_recipe({**SHORT, "seed": seed}) for seed in (0, 1))
    assert first.sha256() != second.sha256()
    assert first.group_sha256() == second.group_sha256()


@pytest.mark.parametrize(
    "change", [{"epochs": 51}, {"norm": "layer_norm"}, {"dataset": {"id": "digits", "split_seed": 1}}, {"dropout": 0}]
)
def test_anything_else_is_another_recipe(change: Document) -> None:
    changed = read_recipe({**SHORT, **change})
    assert changed.sha256() != read_recipe(SHORT).sha256()
    assert changed.group_sha256() != read_recipe(SHORT).group_sha256()


def test_a_hash_stays_what_it_is() -> None:
    digest = "97586c94e82056806d3f651f16d3f0d0e25118e84c68be8b9cbb385e9044b2c4"
    assert read_recipe(SHORT).sha256() == digest


def test_a_field_that_an_augmentation_got_later_changes_no_hash() -> None:
    one, other = (read_recipe({**SHORT, "augmentation": {"type": "scale_crop", "size": size}}) for size in (None, 8))
    assert "size" not in one.without_names()["augmentation"][0]
    assert one.sha256() != other.sha256()


@given(documents())
def test_every_canonical_form_is_a_fixed_point(document: Document) -> None:
    recipe = read_recipe(document)
    again = read_recipe(recipe.canonical())
    assert again == recipe
    assert again.sha256() == recipe.sha256()


@given(documents(), st.integers(1, 9))
def test_whole_numbers_are_read_as_decimals(document: Document, lr: int) -> None:
    one, other = ({**document, "optimizer": {"type": "sgd", "lr": value}} for value in (lr, float(lr)))
    assert read_recipe(one).sha256() == read_recipe(other).sha256()


@pytest.mark.parametrize("regularizer", [0, {}, "", False])
def test_adamw_does_not_hide_other_regularizers(regularizer: object) -> None:
    with pytest.raises(RecipeInvalid):
        read_recipe({**SHORT, "optimizer": "adamw", "regularizer": regularizer})


def test_ingredients_are_found_by_their_kind_with_their_pointers() -> None:
    recipe = read_recipe({**SHORT, "norm": "batch_norm", "regularizer": ["l1", "l2", "max_norm"], "dropout": 0.5})
    assert recipe.find(L2) == {"/regularizer/1": L2()}
    assert recipe.find(BatchNorm) == {"/norm": BatchNorm()}
    assert recipe.find(WeightDecay) == {}
