"""The studies of the cookbook, as the service describes them."""

import pytest

from bakehouse.studies import StudyNotFound, all_studies, studies, study
from bakehouse.study import BuildsOn, Study, StudyCell, StudyColumn, StudyDifference

every_study = pytest.mark.parametrize("each", all_studies().values(), ids=lambda each: each.name)


def test_a_study_is_what_its_page_says() -> None:
    found = study("small_network")
    assert found.question == "Do batch norm and dropout help a small network on digits?"
    assert found.answer == "Batch norm: 2.0 points; dropout adds nothing."
    assert found.text.startswith("Batch norm does: from 96.6 %")
    assert found.setting == {
        "dataset": "digits", "architecture": {"type": "mlp", "hidden": [256, 256]}, "epochs": 60, "early_stopping": 6,
    }  # fmt: skip
    assert (found.seeds, found.against, found.columns[0]) == (
        5, "plain", StudyColumn(name="test_accuracy", label="test accuracy", unit="%"),
    )  # fmt: skip
    assert found.columns[2] == StudyColumn(name="epochs", label="epochs", unit=None)
    first, second, *_ = found.rows
    assert (first.cells[0], first.difference) == (StudyCell(mean=96.6, spread=0.5), None)
    assert (second.recipe, second.difference) == ("batch_norm", StudyDifference(mean=1.95, low=1.4, high=2.5))
    assert [recipe.ingredients for recipe in found.recipes] == [
        (), ("batch_norm",), ("dropout 0.5",), ("batch_norm", "dropout 0.5"),
    ]  # fmt: skip
    assert [clash.code for clash in found.clashes] == ["variance_shift"]


@every_study
def test_the_table_has_a_number_for_each_recipe_and_column(each: Study) -> None:
    assert [row.recipe for row in each.rows] == [recipe.name for recipe in each.recipes]
    assert all(len(row.cells) == len(each.columns) for row in each.rows)
    assert [row.recipe for row in each.rows if row.difference is None] == [each.against]
    assert each.answer
    assert each.text


@every_study
def test_recipes_differ_in_what_is_listed(each: Study) -> None:
    assert len({recipe.ingredients for recipe in each.recipes}) == len(each.recipes)
    assert all(recipe.recipe[name] == value for name, value in each.setting.items() for recipe in each.recipes)


def test_a_recipe_that_builds_on_another_says_where_the_run_goes() -> None:
    hints = next(recipe for recipe in study("fitnets").recipes if recipe.name == "hints")
    assert hints.builds_on == (BuildsOn(pointer="/pretraining/teacher", recipe="teacher"),)
    assert any("teacher" in token for token in hints.ingredients)


def test_the_summary_lists_all_studies() -> None:
    assert [item.name for item in studies().data] == list(all_studies())


def test_a_misspelt_study_gets_the_nearest_name() -> None:
    with pytest.raises(StudyNotFound, match="did you mean small_network"):
        study("small_netwrk")
