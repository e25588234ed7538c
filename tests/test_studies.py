"""The studies of the cookbook, as the service describes them."""

import pytest

from bakehouse.experiments.question import read_experiment
from bakehouse.model import JsonObject
from bakehouse.studies import StudyNotFound, all_studies, studies, study
from bakehouse.study import BuildsOn, Study, StudyRecipe
from bakehouse.study_recipes import study_recipes

PLAIN = {"dataset": "iris", "architecture": "mlp"}

every_study = pytest.mark.parametrize("each", all_studies().values(), ids=lambda each: each.name)


def recipes_of(design: JsonObject, **fields: object) -> dict[str, StudyRecipe]:
    document = {"recipe": {**PLAIN, **fields}, "seeds": 2, "design": design}
    return {recipe.name: recipe for recipe in study_recipes(read_experiment(document))}


def test_a_study_is_its_page_its_experiment_and_its_answer() -> None:
    found = study("small_network")
    assert found.question == "Do batch norm and dropout help a small network on digits?"
    assert found.answer
    assert found.text
    assert "```" not in found.text
    assert (found.design, found.runs) == ("factorial", 40)
    assert found.measured.results.runs == found.runs
    assert [effect.ingredients for effect in found.measured.results.effects] == [
        ("batch_norm",), ("dropout",), ("batch_norm", "dropout"),
    ]  # fmt: skip
    assert [(recipe.arm, recipe.ingredients) for recipe in found.recipes] == [
        ("none of them", ()), ("dropout", ("dropout 0.5",)), ("batch_norm", ("batch_norm",)),
        ("batch_norm + dropout", ("batch_norm", "dropout 0.5")),
    ]  # fmt: skip


@every_study
def test_recipes_differ_in_what_is_listed(each: Study) -> None:
    assert len({recipe.ingredients for recipe in each.recipes}) == len(each.recipes)
    assert len({recipe.name for recipe in each.recipes}) == len(each.recipes)


def test_a_recipe_is_written_as_its_author_would() -> None:
    patches = {"plain": {}, "norm and noise": {"norm": "batch_norm", "dropout": 0.5}, "no stop": {"early_stopping": 3}}
    found = recipes_of({"type": "variants", "variants": patches}, early_stopping="none", epochs=3)
    short = {**PLAIN, "epochs": 3, "early_stopping": "none"}
    assert found["plain"].recipe == {"name": "plain", **short}
    assert found["norm_and_noise"].recipe == {"name": "norm_and_noise", **short, "norm": "batch_norm", "dropout": 0.5}
    assert found["no_stop"].recipe == {"name": "no_stop", **short, "early_stopping": 3}
    assert found["norm_and_noise"].arm == "norm and noise"


def test_a_patch_that_says_too_little_by_itself_is_spelt_out() -> None:
    found = recipes_of({"type": "variants", "variants": {"plain": {}, "bag": {"dataset": {"bootstrap": True}}}})
    assert found["bag"].recipe["dataset"] == {"id": "iris", "bootstrap": True}


def test_values_of_an_axis_are_written_as_they_were_posted() -> None:
    found = recipes_of({"type": "grid", "axes": {"/norm": ["none", "layer_norm"], "/optimizer/lr": [0.001, 0.1]}})
    assert [*found] == [
        "norm_none_lr_0.001", "norm_none_lr_0.1", "norm_layer_norm_lr_0.001", "norm_layer_norm_lr_0.1",
    ]  # fmt: skip
    assert found["norm_layer_norm_lr_0.1"].recipe == {
        "name": "norm_layer_norm_lr_0.1", **PLAIN, "norm": "layer_norm", "optimizer": {"type": "adam", "lr": 0.1},
    }  # fmt: skip


def test_names_that_would_be_the_same_get_a_number() -> None:
    patches = {"a b": {}, "a  b": {"norm": "batch_norm"}, "?": {"norm": "layer_norm"}}
    assert [*recipes_of({"type": "variants", "variants": patches})] == ["a_b", "a_b_2", "recipe"]


def test_of_a_search_and_of_many_arms_only_the_whole_recipe_is_there() -> None:
    assert [(recipe.name, recipe.arm) for recipe in study("search").recipes] == [("recipe", None)]
    [recipe] = study("six_tricks").recipes
    assert recipe.name == "all_of_them"
    assert recipe.recipe["augmentation"] == "mixup"
    assert "mixup 0.2" in recipe.ingredients


def test_a_recipe_that_builds_on_another_says_where_the_run_goes() -> None:
    hints = next(recipe for recipe in study("fitnets").recipes if recipe.name == "hints")
    assert hints.builds_on == (BuildsOn(pointer="/pretraining/teacher", recipe="teacher"),)
    assert hints.recipe["pretraining"]["teacher"] == "the id of a run of teacher"
    assert any("teacher" in token for token in hints.ingredients)


def test_a_study_that_names_a_rule_of_advice_has_it() -> None:
    assert [clash.code for clash in study("small_network").clashes] == ["variance_shift"]


def test_the_summary_lists_all_studies() -> None:
    found = studies().data
    assert [item.name for item in found] == list(all_studies())
    assert sum(item.runs for item in found) > 1000


def test_a_misspelt_study_gets_the_nearest_name() -> None:
    with pytest.raises(StudyNotFound, match="did you mean small_network"):
        study("small_netwrk")
