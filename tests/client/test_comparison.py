"""What differs between documents, and recipes in short."""

from typing import Any

import pytest

from bakehouse.client.comparison import choices, differing, flat
from bakehouse.recipe.read import read_recipe


def test_documents_become_flat() -> None:
    document = {"a": 1, "b": {"c": [2, {"d": None}]}, "e": []}
    assert flat(document) == {"a": 1, "b.c.0": 2, "b.c.1.d": None}


def test_names_that_differ() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == ["b", "c"]
    assert differing([]) == []


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
def test_what_was_chosen_is_what_was_posted(posted: dict[str, Any]) -> None:
    assert choices(read_recipe(posted)) == posted
    assert read_recipe(choices(read_recipe(posted))) == read_recipe(posted)
