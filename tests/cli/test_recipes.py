"""`--set` and `--seeds`."""

from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.cli.recipes import apply_changes, parse_seeds, read_document
from bakehouse.recipe.read import read_recipe

SHORT = {"dataset": "digits", "architecture": "mlp"}


@pytest.mark.parametrize(
    ("given", "changes", "expected"),
    [
        ({}, ["epochs=3"], {"epochs": 3}),
        ({}, ["norm=group_norm"], {"norm": "group_norm"}),
        ({}, ["norm.type=group_norm"], {"norm": {"type": "group_norm"}}),
        ({"norm": "batch_norm"}, ["norm.type=group_norm"], {"norm": {"type": "group_norm"}}),
        ({"norm": "batch_norm"}, ["norm.momentum=0.2"], {"norm": {"type": "batch_norm", "momentum": 0.2}}),
        ({}, ["optimizer.lr=0.01"], {"optimizer": {"type": "adam", "lr": 0.01}}),
        ({"optimizer": "sgd"}, ["optimizer.lr=1e-2"], {"optimizer": {"type": "sgd", "lr": 0.01}}),
        ({}, ["early_stopping.patience=3"], {"early_stopping": {"type": "patience", "patience": 3}}),
        ({"dataset": "iris"}, ["dataset.split_seed=1"], {"dataset": {"id": "iris", "split_seed": 1}}),
        ({"dropout": 0.5}, ["dropout.rate=0.3"], {"dropout": [{"type": "dropout", "rate": 0.3}]}),
        ({}, ["dropout.rate=0.3"], {"dropout": {"type": "dropout", "rate": 0.3}}),
        ({"regularizer": ["l1", "l2"]}, ["regularizer.1.coefficient=1"],
         {"regularizer": [{"type": "l1"}, {"type": "l2", "coefficient": 1}]}),
        ({"dropout": [0.1, 0.2]}, ["dropout.0=0.3"],
         {"dropout": [0.3, {"type": "dropout", "rate": 0.2}]}),
        ({}, ["objective.label_smoothing.epsilon=0.2"], {"objective": {"label_smoothing": {"epsilon": 0.2}}}),
        ({}, ["labels.owner=me", "labels.kind=a=b"], {"labels": {"owner": "me", "kind": "a=b"}}),
        ({}, ["early_stopping=null", "name=my run"], {"early_stopping": None, "name": "my run"}),
        ({}, ['augmentation=["random_crop"]'], {"augmentation": ["random_crop"]}),
        ({}, ["name=NaN"], {"name": "NaN"}),
        ({}, ["no_such.field=1"], {"no_such": {"field": 1}}),
    ],
)  # fmt: skip
def test_a_change_sets_one_field_and_keeps_the_others(
    given: dict[str, Any], changes: list[str], expected: dict[str, Any]
) -> None:
    before = repr(given)
    assert apply_changes(given, changes) == expected
    assert repr(given) == before


@pytest.mark.parametrize(
    ("given", "change"),
    [({}, "epochs"), ({}, "=3"), ({"epochs": 3}, "epochs.x=1"), ({"dropout": [0.1, 0.2]}, "dropout.rate=0.3"),
     ({"dropout": [0.1]}, "dropout.7=0.3")],
)  # fmt: skip
def test_a_change_that_names_no_field_is_refused(given: dict[str, Any], change: str) -> None:
    with pytest.raises(typer.BadParameter):
        apply_changes(given, [change])


@pytest.mark.parametrize(
    "change",
    ["norm.type=layer_norm", "optimizer.lr=0.5", "dropout.rate=0.25", "early_stopping.patience=2",
     "evaluation.monitor=validation_accuracy", "schedule.type=cosine"],
)  # fmt: skip
def test_a_changed_recipe_is_valid(change: str) -> None:
    assert read_recipe(apply_changes(SHORT, [change])) != read_recipe(SHORT)


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-4", [0, 1, 2, 3, 4]), ("7", [7]), ("0,3,8-9", [0, 3, 8, 9]), ("1,1-2", [1, 2])]
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "4-", "-3", "0-4000000000", "4-0", "1,,2"])
def test_malformed_seeds_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_seeds(text)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_every_list_of_seeds_is_parsed(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == seeds


def test_a_missing_file_is_reported() -> None:
    with pytest.raises(typer.BadParameter, match="No such file"):
        read_document("/no/such.json", [])
