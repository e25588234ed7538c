"""The space of a search: the recipe at a point, and the problems of a space, with pointers into the document."""

from typing import Any

import pytest

from bakehouse.experiments.document import Search
from bakehouse.experiments.space import check_losses, check_space, find_place, recipe_at
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.small_trainings import make_small_plan

CNN = {"type": "cnn", "channels": [24]}
RECIPE = {"dataset": "digits", "architecture": CNN, "dropout": 0.3, "optimizer": "sgd"}
LR = {"type": "log_uniform", "low": 1e-4, "high": 0.1}


def a_design(space: JsonObject) -> Search:
    return Search.model_validate({"type": "search", "space": space, "trials": 9})


def refuse(space: JsonObject) -> list[tuple[str, str, str]]:
    with pytest.raises(RecipeInvalid) as refused:
        check_space(a_design(space), read_recipe(RECIPE), make_small_plan)
    return [(str(problem.pointer), problem.code, problem.message) for problem in refused.value.problems]


def uniform(low: float, high: float) -> JsonObject:
    return {"type": "uniform", "low": low, "high": high}


def integer(low: int, high: int, **more: Any) -> JsonObject:
    return {"type": "integer", "low": low, "high": high, **more}


def choice(*values: object) -> JsonObject:
    return {"type": "choice", "values": list(values)}


@pytest.mark.parametrize(
    ("place", "space", "pointer", "code", "says"),
    [
        ("/optimizer/lr", {**LR, "low": 0.3}, "/low", "range", "low, 0.3, should be below high, 0.1"),
        ("/dropout", uniform(0.5, 0.5), "/low", "range", "low, 0.5, should be below high, 0.5"),
        ("/dropout", uniform(-1e308, 1e308), "/high", "range", "too wide"),
        ("/batch_size", integer(64, 32), "/low", "range", "low, 64, should be below high, 32"),
        ("/batch_size", integer(0, 64, log=True), "/low", "range", "0, has no logarithm"),
        ("/batch_size", integer(1, 10**30), "/high", "range", "too large"),
        ("/optimiser/lr", LR, "", "unknown_pointer", "did you mean /optimizer?"),
        ("/optimizer/learning_rate", LR, "", "unknown_pointer", "has no /optimizer/learning_rate"),
        ("/dropout/3/rate", uniform(0, 0.5), "", "unknown_pointer", "has no /dropout/3/rate"),
        ("/seed", integer(0, 9), "", "conflict", "no part of the training"),
        ("/norm", choice("none", "none"), "/values/1", "conflict", "listed twice"),
        ("/norm", choice("none", "bach_norm"), "/values/1", "unknown_variant", "batch_norm"),
        ("/norm", choice("none", {"type": "group_norm", "num_groups": 7}), "/values/1/num_groups", "conflict", "24"),
        ("/norm", choice("none", {"type": "group_norm", "groups": 8}), "/values/1/groups", "unknown_field", "groups"),
        ("/dropout", uniform(-0.1, 0.5), "/low", "greater_than_equal", "greater than or equal to 0"),
        ("/dropout/rate", uniform(0.1, 1.5), "/high", "less_than", "less than 1"),
        ("/optimizer/lr", integer(0, 3), "/low", "greater_than", "greater than 0"),
        ("/batch_size", uniform(16, 64), "/type", "int_type", "numbers between low and high are refused"),
        ("/batch_size", uniform(16.5, 64), "/low", "int_type", "integer"),
        ("/norm", integer(1, 3), "/low", "model_attributes_type", "not a number"),
    ],
)
def test_a_bad_space_is_refused_where_it_is_wrong(
    place: str, space: JsonObject, pointer: str, code: str, says: str
) -> None:
    [(where, found, message)] = refuse({place: space})
    assert (where, found) == ("/design/space/" + place.replace("/", "~1") + pointer, code)
    assert says in message


def test_all_problems_of_a_space_are_told_at_once() -> None:
    assert len(refuse({"/optimizer/lr": {**LR, "low": 0.3}, "/batch_size": integer(9, 3)})) == 2
    assert len(refuse({"/norm": choice("bach_norm", "none", "grp_norm"), "/batch_size": integer(0, 3)})) == 3


def test_a_space_with_too_many_values_to_check_is_refused() -> None:
    values = choice(*range(1, 101))
    [(where, code, _)] = refuse({f"/{name}": values for name in ("epochs", "batch_size", "a", "b", "c", "d")})
    assert (where, code) == ("/design/space", "too_long")


def test_a_place_inside_of_a_choice_needs_to_fit_each_of_its_values() -> None:
    space = {"/optimizer": choice("sgd", "adam"), "/optimizer/betas": choice([0.9, 0.99], [0.8, 0.99])}
    [(where, code, message)] = refuse(space)
    assert (where, code) == ("/design/space/~1optimizer~1betas", "unknown_pointer")
    assert message == 'the recipe has no /optimizer/betas, with /optimizer "sgd"'
    check_space(
        a_design({"/optimizer": choice("sgd", "adam"), "/optimizer/lr": LR}), read_recipe(RECIPE), make_small_plan
    )


def test_a_good_space_is_planned_at_the_ends_and_inside_of_each_range() -> None:
    planned: list[JsonObject] = []
    space = {"/optimizer/lr": LR, "/batch_size": integer(16, 64, log=True), "/norm": choice("none", "batch_norm")}
    check_space(a_design(space), read_recipe(RECIPE), planned.append)
    assert [recipe["batch_size"] for recipe in planned] == [64, 64, 64, 16, 64, 40, 64, 64]
    assert [recipe["norm"] for recipe in planned[-2:]] == ["none", "batch_norm"]


def test_the_recipe_of_a_point_has_its_values_the_outer_ones_first() -> None:
    design = a_design(
        {
            "/optimizer/lr": LR,
            "/optimizer": choice("sgd", {"type": "adam", "eps": 0.5}),
            "/dropout/rate": uniform(0, 0.5),
        }
    )
    point = {"/optimizer/lr": 0.05, "/optimizer": 1, "/dropout/rate": 0.25}
    recipe = read_recipe(recipe_at(read_recipe(RECIPE), design, point)).canonical()
    assert (recipe["optimizer"]["type"], recipe["optimizer"]["lr"], recipe["optimizer"]["eps"]) == ("adam", 0.05, 0.5)
    assert [item["rate"] for item in recipe["dropout"]] == [0.25]


def test_a_place_may_leave_out_the_index_of_the_only_item() -> None:
    document = read_recipe(RECIPE).canonical()
    assert find_place(document, "/dropout/rate") == find_place(document, "/dropout/0/rate") == ["dropout", 0, "rate"]


def test_a_range_that_changes_the_scale_of_the_loss_cannot_be_ranked_by_it() -> None:
    recipe = read_recipe({**RECIPE, "objective": {"tasks": [{"target": "parity", "weight": 0.5}]}})
    with pytest.raises(RecipeInvalid) as refused:
        check_losses(
            a_design({"/objective/tasks/0/weight": uniform(0.5, 1), "/dropout": uniform(0, 0.5)}),
            recipe,
            "validation_loss",
            ["validation_accuracy"],
        )
    [problem] = refused.value.problems
    assert problem.pointer == "/design/space/~1objective~1tasks~10~1weight/high"
    assert "choose another /metric, such as 'validation_accuracy'" in problem.message
