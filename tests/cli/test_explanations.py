"""`bakehouse explain`."""

import json

import pytest
import typer

from bakehouse.cli.explanations import all_entries, explanation, find
from bakehouse.ingredients import IngredientField
from bakehouse.recipe.recipe import Recipe


def names(query: str) -> list[str]:
    return [entry.name for entry in find(query)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("norm", ["norm"]),
        ("batch_norm", ["norm.batch_norm"]),
        ("norm.batch_norm.momentum", ["norm.batch_norm.momentum"]),
        ("batch_norm.momentum", ["norm.batch_norm.momentum"]),
        ("optimizer.lr", ["optimizer.sgd.lr", "optimizer.adam.lr", "optimizer.rmsprop.lr"]),
        ("/optimizer/lr", ["optimizer.sgd.lr", "optimizer.adam.lr", "optimizer.rmsprop.lr"]),
        ("/regularizer/0/l2/coefficient", ["regularizer.l2.coefficient"]),
        ("dropout", ["dropout"]),
        ("norm.type", ["norm"]),
        ("batch_size", ["batch_size"]),
        ("dataset.id", ["dataset.id"]),
        ("label_smoothing.epsilon", ["objective.label_smoothing.epsilon"]),
    ],
)
def test_a_name_may_leave_out_what_is_clear(query: str, found: list[str]) -> None:
    assert names(query) == found


def test_every_field_and_ingredient_has_a_description() -> None:
    entries = list(all_entries())
    assert set(Recipe.model_fields) <= {entry.name for entry in entries}
    for entry in entries:
        assert entry.name in names(entry.name)
        assert entry.name in explanation(entry.name, as_json=False)


def test_a_field_has_its_meaning_type_range_default_and_source() -> None:
    text = explanation("norm.batch_norm.momentum", as_json=False)
    assert "Weight of the newest batch in the moving averages" in text
    assert "takes    number, above 0, up to 1" in text
    assert "default  0.1" in text
    assert "source   Ioffe & Szegedy 2015, arXiv 1502.03167" in text
    assert "usage    --set norm.momentum=VALUE" in text


def test_a_field_that_several_ingredients_have_is_explained_once() -> None:
    text = explanation("norm.momentum", as_json=False)
    assert text.count("meaning") == 2
    assert "name     norm.batch_norm.momentum\n         norm.cross_iteration_batch_norm.momentum\n" in text


def test_without_a_name_all_families_are_listed() -> None:
    lines = explanation(None, as_json=False).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [entry.name for entry in all_entries() if len(entry.path) == 1]
    assert "none, batch_norm, layer_norm" in next(line for line in lines if line.startswith("norm\t"))


@pytest.mark.parametrize(
    ("query", "nearest"), [("norm.momentm", "norm.momentum"), ("batchnorm", "batch_norm"), ("bach_size", "batch_size")]
)
def test_an_unknown_name_gets_the_nearest_ones(query: str, nearest: str) -> None:
    with pytest.raises(typer.BadParameter, match=f"did you mean {nearest}"):
        explanation(query, as_json=False)


@pytest.mark.parametrize("query", ["", ".", "qqqq", "norm.momentum.momentum"])
def test_what_is_like_no_name_leads_to_the_list(query: str) -> None:
    with pytest.raises(typer.BadParameter, match="`bakehouse explain` lists all families"):
        explanation(query, as_json=False)


def test_json_has_the_description_as_the_service_gives_it() -> None:
    [entry] = find("norm.batch_norm.momentum")
    [data] = json.loads(explanation("norm.batch_norm.momentum", as_json=True))["data"]
    assert data.pop("path") == "norm.batch_norm.momentum"
    assert isinstance(entry.item, IngredientField)
    assert data == entry.item.model_dump(mode="json")
