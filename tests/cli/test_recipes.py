"""`--set`."""

from typing import Any

import pytest
import typer

from bakehouse.cli.recipes import apply_changes, read_document
from bakehouse.recipe.read import read_recipe

SHORT = {"dataset": "digits", "architecture": "mlp"}


@pytest.mark.parametrize("name", ["houses.csv", "digits.NPZ", "a.csv.gz", "a.jsonl", "pets.tar.gz", "."])
def test_data_in_place_of_a_recipe_lead_to_the_page_about_data(name: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is data\. `bakehouse data add .* docs/upload_data\.md"):
        read_document(name, [])


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
    assert apply_changes(given, changes, command="bakehouse run recipe.json") == expected
    assert repr(given) == before


@pytest.mark.parametrize(
    ("given", "change"),
    [({}, "epochs"), ({}, "=3"), ({"epochs": 3}, "epochs.x=1"), ({"dropout": [0.1, 0.2]}, "dropout.rate=0.3"),
     ({"dropout": [0.1]}, "dropout.7=0.3")],
)  # fmt: skip
def test_a_change_that_names_no_field_is_refused(given: dict[str, Any], change: str) -> None:
    with pytest.raises(typer.BadParameter):
        apply_changes(given, [change], command="bakehouse run recipe.json")


@pytest.mark.parametrize(
    "change",
    ["norm.type=layer_norm", "optimizer.lr=0.5", "dropout.rate=0.25", "early_stopping.patience=2",
     "evaluation.monitor=validation_accuracy", "schedule.type=cosine"],
)  # fmt: skip
def test_a_changed_recipe_is_valid(change: str) -> None:
    assert read_recipe(apply_changes(SHORT, [change], command="bakehouse run recipe.json")) != read_recipe(SHORT)


def test_a_missing_file_is_reported() -> None:
    with pytest.raises(typer.BadParameter, match="No such file"):
        read_document("/no/such.json", [])
