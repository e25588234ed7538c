"""Designs become arms, and what is wrong in a design is named with its place."""

from typing import Any

import pytest

from bakehouse.experiments.designs import Arms, refuse_equal_arms
from bakehouse.experiments.question import read_experiment
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe

Document = dict[str, Any]
RECIPE: Document = {
    "dataset": "digits",
    "architecture": "mlp",
    "norm": "batch_norm",
    "dropout": 0.3,
    "augmentation": ["random_crop", "input_noise"],
    "objective": {"label_smoothing": 0.1},
    "schedule": "cosine",
}


def arms_of(design: Document, **fields: Any) -> Arms:
    return read_experiment({"recipe": RECIPE, "design": design, **fields}).arms


def problem_of(document: Document) -> Problem:
    with pytest.raises(RecipeInvalid) as caught:
        read_experiment({"recipe": RECIPE, "design": {"type": "ablation"}, **document})
    return caught.value.problems[0]


def is_off(recipe: Document, path: list[str]) -> bool:
    value: Any = recipe
    for step in path:
        value = value[step]
    return value in (None, [], "none", {"type": "none"}, "constant")


def test_an_ablation_switches_off_each_ingredient_alone_and_then_all() -> None:
    arms = arms_of({"type": "ablation"})
    off = ["batch_norm", "dropout", "random_crop", "input_noise", "cosine", "label_smoothing"]
    assert [arm.name for arm in arms.arms] == ["recipe", *(f"without {name}" for name in off), "without all of them"]
    assert arms.baseline == "recipe"
    by_name = {arm.name: read_recipe(arm.recipe) for arm in arms.arms}
    assert by_name["recipe"] == read_recipe(RECIPE)
    kept = by_name["without random_crop"]
    assert [item.type for item in kept.augmentation] == ["input_noise"]
    assert kept.norm == by_name["recipe"].norm
    nothing = arms.arms[-1].recipe
    for path in (["norm"], ["dropout"], ["augmentation"], ["schedule"], ["objective", "label_smoothing"]):
        assert is_off(nothing, path), path
    # How long a run trains is no trick of its own.
    assert nothing["early_stopping"] == by_name["recipe"].early_stopping.model_dump(mode="json")


@pytest.mark.parametrize(
    ("named", "off"),
    [
        (["norm"], ["without batch_norm"]),
        (["batch_norm", "dropout"], ["without batch_norm", "without dropout", "without all of them"]),
        (["augmentation"], ["without random_crop", "without input_noise", "without all of them"]),
        (["early_stopping"], ["without patience"]),
    ],
)
def test_an_ablation_can_name_families_and_types(named: list[str], off: list[str]) -> None:
    assert [arm.name for arm in arms_of({"type": "ablation", "ingredients": named}).arms] == ["recipe", *off]


def test_two_ingredients_of_one_type_are_numbered() -> None:
    twice = {**RECIPE, "augmentation": [{"type": "input_noise", "std": 0.1}], "regularizer": ["l2", "l1"]}
    names = [arm.name for arm in read_experiment({"recipe": twice, "design": {"type": "ablation"}}).arms.arms]
    assert {"without l1", "without l2"} <= set(names)


def test_a_factorial_has_all_combinations() -> None:
    arms = arms_of({"type": "factorial", "ingredients": ["norm", "dropout"]})
    assert [(arm.name, arm.levels) for arm in arms.arms] == [
        ("none of them", (False, False)),
        ("dropout", (False, True)),
        ("batch_norm", (True, False)),
        ("batch_norm + dropout", (True, True)),
    ]
    assert arms.factors == ("batch_norm", "dropout")


def test_a_grid_has_all_combinations_and_begins_with_the_first_values() -> None:
    axes = {"/norm": ["none", {"type": "group_norm", "num_groups": 4}], "/optimizer/lr": [0.1, 0.01]}
    arms = arms_of({"type": "grid", "axes": axes})
    assert [arm.name for arm in arms.arms] == [
        "norm=none, lr=0.1",
        "norm=none, lr=0.01",
        "norm=group_norm(num_groups=4), lr=0.1",
        "norm=group_norm(num_groups=4), lr=0.01",
    ]
    assert arms.baseline == "norm=none, lr=0.1"
    assert read_recipe(arms.arms[3].recipe).optimizer.lr == 0.01


def test_an_axis_may_set_a_field_of_what_another_axis_sets() -> None:
    axes = {"/optimizer/lr": [0.1], "/optimizer": ["sgd", "adam"]}
    recipes = [read_recipe(arm.recipe) for arm in arms_of({"type": "grid", "axes": axes}).arms]
    assert [(recipe.optimizer.type, recipe.optimizer.lr) for recipe in recipes] == [("sgd", 0.1), ("adam", 0.1)]


def test_variants_are_merge_patches_of_the_recipe() -> None:
    variants = {"plain": {"norm": None, "dropout": []}, "smaller": {"norm": {"momentum": 0.2}}}
    arms = arms_of({"type": "variants", "variants": variants, "baseline": "smaller"})
    plain, smaller = (read_recipe(arm.recipe) for arm in arms.arms)
    assert (plain.norm.type, plain.dropout) == ("none", ())
    assert (smaller.norm.type, smaller.norm.model_dump()["momentum"]) == ("batch_norm", 0.2)
    assert arms.baseline == "smaller"


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ({"seeds": 0}, "/seeds", "list_type"),
        ({"seeds": [3, 3]}, "/seeds", "conflict"),
        ({"seeds": [-1]}, "/seeds/0", "greater_than_equal"),
        ({"seeds": 1000}, "/seeds", "too_many_runs"),
        ({"folds": 1}, "/folds", "greater_than_equal"),
        ({"metric": "test_accuracy"}, "/metric", "conflict"),
        ({"prioritty": 1}, "/prioritty", "unknown_field"),
        ({"recipe": {**RECIPE, "seed": 1}}, "/recipe/seed", "conflict"),
        ({"recipe": {**RECIPE, "norm": "bach_norm"}}, "/recipe/norm", "unknown_variant"),
        ({"recipe": {"dataset": "digits", "architecture": "mlp"}}, "/recipe", "nothing_to_ablate"),
        ({"design": {"type": "ablatoin"}}, "/design/type", "unknown_variant"),
        ({"design": {"type": "ablation", "ingredients": ["mixup"]}}, "/design/ingredients/0", "unknown_ingredient"),
        (
            {"design": {"type": "ablation", "ingredients": ["norm", "batch_norm"]}},
            "/design/ingredients/1",
            "conflict",
        ),
        ({"design": {"type": "factorial", "ingredients": ["norm"]}}, "/design/ingredients", "factors"),
        ({"design": {"type": "grid", "axes": {}}}, "/design/axes", "too_short"),
        ({"design": {"type": "grid", "axes": {"norm": ["none"]}}}, "/design/axes/norm", "conflict"),
        ({"design": {"type": "grid", "axes": {"/nrm": ["none"]}}}, "/design/axes/~1nrm", "unknown_pointer"),
        ({"design": {"type": "grid", "axes": {"/dropout/3": [1]}}}, "/design/axes/~1dropout~13", "unknown_pointer"),
        ({"design": {"type": "grid", "axes": {"/norm": []}}}, "/design/axes/~1norm", "too_short"),
        (
            {"design": {"type": "grid", "axes": {"/norm": ["bogus"], "/norm/eps": [1e-5]}}},
            "/design/axes/~1norm/0",
            "unknown_variant",
        ),
        # As much as fits into the body of a request.
        ({"design": {"type": "grid", "axes": {"/epochs": [*range(150_000)]}}}, "/design/axes", "too_many_runs"),
        ({"design": []}, "/design", "model_attributes_type"),
        ({"design": {"type": "grid", "axes": {"/norm": ["none", "none"]}}}, "/design/axes/~1norm/1", "conflict"),
        ({"design": {"type": "grid", "axes": {"/seed": [1, 2]}}}, "/design/axes/~1seed", "conflict"),
        ({"design": {"type": "grid", "axes": {"/dataset/fold": [0, 1]}}}, "/design/axes/~1dataset~1fold", "conflict"),
        (
            {"design": {"type": "variants", "variants": {"a": {"dataset": {"folds": 3}}}}},
            "/design/variants/a/dataset/folds",
            "conflict",
        ),
        ({"design": {"type": "variants", "variants": {}}}, "/design/variants", "too_short"),
        (
            {"design": {"type": "variants", "variants": {"a": {}, "b": {"seed": 1}}}},
            "/design/variants/b/seed",
            "conflict",
        ),
        (
            {"design": {"type": "variants", "variants": {"a": {}, "b": {"norm": "none"}}, "baseline": "c"}},
            "/design/baseline",
            "unknown_arm",
        ),
        (
            {"design": {"type": "search", "space": {"/optimizer/lr": {"type": "log_uniform", "low": 0, "high": 1}}}},
            "/design/space/~1optimizer~1lr/low",
            "greater_than",
        ),
    ],
)
def test_a_bad_document_is_refused_with_its_place(document: Document, pointer: str, code: str) -> None:
    problem = problem_of(document)
    assert (problem.pointer, problem.code) == (pointer, code)


def test_of_very_many_problems_the_first_are_listed() -> None:
    with pytest.raises(RecipeInvalid) as caught:
        read_experiment({"recipe": RECIPE, "design": {"type": "ablation"}, **{f"field_{n}": 1 for n in range(1000)}})
    assert len(caught.value.problems) == 100


def test_a_factorial_of_seven_ingredients_is_refused() -> None:
    seven = {**RECIPE, "regularizer": ["l2"]}
    problem = problem_of({"recipe": seven, "design": {"type": "factorial"}})
    assert (problem.pointer, problem.code) == ("/recipe", "factors")
    assert "has 7" in problem.message


def test_a_cell_without_the_place_that_an_axis_sets_is_named() -> None:
    axes = {"/optimizer": ["sgd", "adam"], "/optimizer/momentum": [0.9]}
    problem = problem_of({"design": {"type": "grid", "axes": axes}})
    assert problem.message.startswith("in the arm 'optimizer=adam, momentum=0.9': ")


def test_two_arms_with_one_recipe_are_refused_by_name() -> None:
    variants = {"a": {}, "b": {"dropout": 0.3}}
    document: Document = {"recipe": RECIPE, "design": {"type": "variants", "variants": variants}}
    question = read_experiment(document)
    with pytest.raises(RecipeInvalid) as caught:
        refuse_equal_arms(question.arms, ["same", "same"], question.document.design)
    [problem] = caught.value.problems
    assert problem.pointer == "/design/variants/b"
    assert "'a' and 'b'" in problem.message


def test_a_value_that_is_added_to_an_axis_renames_no_arm() -> None:
    long = "x" * 50
    first = arms_of({"type": "grid", "axes": {"/architecture": [f"{long}a"]}}).arms
    longer = arms_of({"type": "grid", "axes": {"/architecture": [f"{long}a", f"{long}b"]}}).arms
    assert first[0].name == longer[0].name != longer[1].name
