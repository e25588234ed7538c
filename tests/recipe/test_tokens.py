"""The short texts of what a recipe has beyond the defaults."""

from typing import Any

import pytest
from hypothesis import given

from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.tokens import MAX_CHARACTERS, recipe_tokens
from tests.strategies import documents

PLAIN = {"dataset": "digits", "architecture": "mlp"}


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [
        ({}, []),
        ({"name": "x", "labels": {"a": "b"}}, []),
        ({"seed": 3, "epochs": 40}, ["epochs 40", "seed 3"]),
        ({"norm": "batch_norm", "dropout": 0.5}, ["batch_norm", "dropout 0.5"]),
        ({"norm": {"type": "group_norm", "num_groups": 4}}, ["group_norm num_groups 4"]),
        ({"regularizer": [{"type": "l2", "coefficient": 1e-4}, "max_norm"]}, ["l2 0.0001", "max_norm 3"]),
        ({"dropout": [{"type": "dropout", "placement": "classifier"}]}, ["dropout 0.5 placement classifier"]),
        ({"architecture": {"type": "mlp", "hidden": [8]}}, ["hidden 8"]),
        ({"architecture": {"type": "cnn", "hidden": []}}, ["hidden none"]),
        ({"dataset": {"id": "iris", "bootstrap": True}}, ["bootstrap on"]),
        ({"optimizer": "sgd", "schedule": "cosine"}, ["sgd 0.05", "cosine"]),
        ({"optimizer": {"type": "adam", "lr": 0.01}}, ["adam 0.01"]),
        ({"early_stopping": "none"}, ["no early_stopping"]),
        ({"early_stopping": 5}, ["patience 5"]),
        ({"objective": {"label_smoothing": 0.1}}, ["label_smoothing 0.1"]),
        ({"objective": {"tasks": ["parity"]}}, ["tasks parity"]),
    ],
)
def test_a_token_says_what_is_not_as_by_default(changes: dict[str, Any], tokens: list[str]) -> None:
    assert recipe_tokens(read_recipe(PLAIN | changes).canonical()) == tokens


@given(documents())
def test_every_recipe_has_short_tokens_without_spaces_at_their_ends(document: dict[str, Any]) -> None:
    tokens = recipe_tokens(read_recipe(document).canonical())
    assert all(token and token == token.strip() and len(token) <= MAX_CHARACTERS for token in tokens)
