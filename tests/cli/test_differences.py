"""`bakehouse diff`."""

from typing import Any

import pytest

from bakehouse.cli.differences import (
    differences,
    differences_table,
    field_value,
    recipe_differences,
    result_differences,
    value_text,
)
from tests.cli.examples import a_run


def differing(*recipes: dict[str, Any]) -> dict[str, list[Any]]:
    return recipe_differences([a_run(**recipe) for recipe in recipes])


def test_fields_of_one_ingredient_differ_one_by_one() -> None:
    assert differing({"optimizer": {"type": "adam", "lr": 0.1}}, {}) == {"optimizer.lr": [0.1, 0.001]}
    assert differing({"dropout": 0.1}, {"dropout": 0.2}) == {"dropout.0.rate": [0.1, 0.2]}


def test_two_ingredients_differ_as_a_whole() -> None:
    assert differing({"norm": {"type": "batch_norm", "momentum": 0.2}}, {}, {"norm": "layer_norm"}) == {
        "norm": [{"type": "batch_norm", "momentum": 0.2}, "none", "layer_norm"]
    }
    assert differing({"dropout": 0.1}, {}) == {"dropout": [[{"type": "dropout", "rate": 0.1}], []]}
    assert differing(
        {"architecture": {"type": "mlp", "hidden": [8]}}, {"architecture": {"type": "mlp", "hidden": [9]}}
    ) == {"architecture.hidden": [[8], [9]]}


def test_a_recipe_that_this_version_does_not_know_is_compared_as_json() -> None:
    known = a_run(norm="batch_norm")
    newer = {**known.recipe.canonical(), "norm": {"type": "future_norm", "strength": 2}, "epochs": 9, "later": 1}
    unknown = known.model_copy(update={"recipe": newer})
    assert recipe_differences([known, unknown]) == {
        "norm": [known.recipe.norm.model_dump(mode="json"), {"type": "future_norm", "strength": 2}],
        "epochs": [8, 9],
        "later": [None, 1],
    }
    assert field_value(unknown, "norm.strength") == 2
    assert field_value(unknown, "architecture.hidden.0") == 256


def test_names_and_labels_are_no_differences() -> None:
    assert differing({"name": "a", "labels": {"x": "1"}}, {"name": "b"}) == {}


def test_results_are_those_of_the_best_epoch() -> None:
    first = a_run(best={"validation_loss": 0.4, "test_accuracy": 0.9})
    second = a_run(best={"validation_loss": 0.4, "test_accuracy": 0.8})
    assert result_differences([first, second]) == {"best.test_accuracy": [0.9, 0.8]}
    assert result_differences([first, a_run(status="failed")])["best.validation_loss"] == [0.4, None]


def test_the_table_has_a_column_for_each_run() -> None:
    first = a_run("run_1", norm="batch_norm", best={"test_accuracy": 0.9})
    second = a_run("run_2", best={"test_accuracy": 0.8})
    assert [line.split() for line in differences_table([first, second]).splitlines()] == [
        ["FIELD", "run_1", "run_2"],
        ["norm", "batch_norm", "none"],
        ["best.test_accuracy", "90.0%", "80.0%"],
    ]
    assert differences([first, second]) == {
        "runs": ["run_1", "run_2"],
        "recipe": {"norm": ["batch_norm", "none"]},
        "results": {"best.test_accuracy": [0.9, 0.8]},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("norm", "batch_norm"),
        ("norm.momentum", 0.1),
        ("norm.num_groups", None),
        ("dropout.rate", 0.3),
        ("dropout.0.rate", 0.3),
        ("dropout.1.rate", None),
        ("labels.owner", "me"),
        ("dataset", "digits"),
        ("no.such.field", None),
    ],
)
def test_a_field_of_a_run_is_found_by_its_name(name: str, value: object) -> None:
    assert field_value(a_run(norm="batch_norm", dropout=0.3, labels={"owner": "me"}), name) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("batch_norm", "batch_norm"),
        ({"type": "group_norm", "num_groups": 4}, "group_norm num_groups=4"),
        ({"type": "x", "inner": {"epsilon": 0.1}}, "x inner=(epsilon=0.1)"),
        (["random_crop", {"type": "dropout", "rate": 0.1}], "random_crop, dropout rate=0.1"),
        ([64, 64], "[64,64]"),
        ([], "none"),
        (None, "null"),
        (1e-5, "1e-05"),
    ],
)
def test_values_are_written_in_a_line(value: object, text: str) -> None:
    assert value_text(value) == text
