"""A posted document becomes a plan with advice, or is refused with a pointer into the document."""

from pathlib import Path

import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetNotReady
from bakehouse.prepare import Limits, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.settings import Settings

MIB = 2**20
ENOUGH = Limits(parameters=10**9)
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog with the built-in data sets and one table."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = "\n".join(f"{n},{n % 7}.5,{n % 3}" for n in range(60))
    (folder / "houses.csv").write_text(f"area,price,rooms\n{rows}\n")
    return Catalog(Settings(home=tmp_path / "home", data=folder))


def refusal(document: object, catalog: Catalog, limits: Limits = ENOUGH) -> tuple[str, str, str]:
    with pytest.raises(RecipeInvalid) as refused:
        prepare(document, catalog, limits)
    [problem] = refused.value.problems
    return str(problem.pointer), problem.code, problem.message


def test_a_recipe_comes_back_planned_with_advice(catalog: Catalog) -> None:
    prepared = prepare(RECIPE, catalog, ENOUGH)
    assert prepared.plan.card.id == "digits"
    assert prepared.plan.recipe.canonical()["objective"]["loss"] == "cross_entropy"
    assert [advice.code for advice in prepared.advice] == ["variance_shift", "statistics_hold_the_shift"]


def test_for_an_unknown_data_set_the_nearest_name_is_suggested(catalog: Catalog) -> None:
    pointer, code, message = refusal({**RECIPE, "dataset": "digitz"}, catalog)
    assert (pointer, code) == ("/dataset", "unknown_dataset")
    assert "did you mean digits?" in message


def test_for_a_known_data_set_without_files_their_source_is_named(catalog: Catalog) -> None:
    pointer, code, message = refusal({**RECIPE, "dataset": {"id": "mnist"}}, catalog)
    assert (pointer, code) == ("/dataset/id", "absent_dataset")
    assert ".gz" in message


def test_the_packing_of_a_data_set_is_waited_for(catalog: Catalog) -> None:
    document = {"dataset": {"id": "houses", "target": "rooms"}, "architecture": "linear"}
    with pytest.raises(DatasetNotReady):
        prepare(document, catalog, ENOUGH)
    assert prepare(document, catalog, ENOUGH, wait_seconds=60).plan.outputs == 3


def test_a_table_without_its_target_lists_the_columns(catalog: Catalog) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        prepare({"dataset": "houses", "architecture": "linear"}, catalog, ENOUGH, wait_seconds=60)
    [problem] = refused.value.problems
    assert (problem.pointer, problem.allowed) == ("/dataset", ("area", "price", "rooms"))


def test_a_model_beyond_the_limit_is_refused(catalog: Catalog) -> None:
    parameters = prepare(RECIPE, catalog, ENOUGH).plan.estimate.parameters
    prepare(RECIPE, catalog, Limits(parameters=parameters))
    pointer, code, message = refusal(RECIPE, catalog, Limits(parameters=parameters - 1))
    assert (pointer, code) == ("/architecture", "too_large")
    assert f"{parameters:,}" in message


def test_a_run_beyond_the_largest_worker_is_refused(catalog: Catalog) -> None:
    memory = prepare(RECIPE, catalog, ENOUGH).plan.estimate.memory_bytes
    prepare(RECIPE, catalog, Limits(parameters=10**9, memory_bytes=memory))
    pointer, code, _ = refusal(RECIPE, catalog, Limits(parameters=10**9, memory_bytes=MIB))
    assert (pointer, code) == ("/batch_size", "too_large")


def test_advice_that_is_an_error_refuses(catalog: Catalog) -> None:
    document = {"dataset": "digits", "architecture": "mlp", "optimizer": "adamw", "regularizer": ["max_norm", "l2"]}
    assert refusal(document, catalog)[:2] == ("/regularizer/1", "two_decays")
