"""Differences between recipes, and the short form of a recipe."""

from typing import Any

import pytest

from bakehouse.client.comparison import differing_names, flatten, short_recipe
from bakehouse.recipe.read import read_recipe


def test_nested_fields_get_dotted_names() -> None:
    document = {"a": 1, "b": {"c": [2, {"d": None}]}, "e": []}
    assert flatten(document) == {"a": 1, "b.c.0": 2, "b.c.1.d": None}


def test_only_names_with_different_values_are_returned() -> None:
    assert differing_names([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == ["b", "c"]
    assert differing_names([]) == []


@pytest.mark.parametrize(
    "posted",
    [
        {"dataset": "digits", "architecture": "mlp"},
        {"dataset": {"id": "digits", "normalization": "none"}, "architecture": "mlp", "norm": "batch_norm"},
        {"dataset": "digits", "architecture": "mlp", "dropout": ["dropout", {"type": "dropout", "rate": 0.1}]},
        {"dataset": "digits", "architecture": "mlp", "epochs": 3, "optimizer": {"type": "sgd", "momentum": 0.5}},
        {"dataset": "digits", "architecture": "mlp", "early_stopping": "none", "seed": 4},
    ],
)
def test_the_short_form_is_what_was_posted(posted: dict[str, Any]) -> None:
    assert short_recipe(read_recipe(posted)) == posted
    assert read_recipe(short_recipe(read_recipe(posted))) == read_recipe(posted)
