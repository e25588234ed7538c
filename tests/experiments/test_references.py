"""Which arms build on the runs of which others, and what is wrong in such references."""

from typing import Any

import pytest

from bakehouse.experiments.question import read_experiment
from bakehouse.experiments.references import in_order
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe

Document = dict[str, Any]
RECIPE: Document = {"dataset": "iris", "architecture": "mlp"}
TRANSFER = {"type": "transfer", "checkpoint": {"arm": "whole"}}


def distilled(arm: object) -> Document:
    return {"objective": {"distillation": {"teacher": {"arm": arm}}}}


def variants(**arms: Document) -> Document:
    return {"recipe": RECIPE, "design": {"type": "variants", "variants": arms}}


def builds_on(document: Document) -> dict[str, list[str]]:
    arms = read_experiment(document).arms.arms
    return {arm.name: list(arm.builds_on.values()) for arm in arms if arm.builds_on}


def test_a_variant_or_the_recipe_of_all_may_name_another_arm() -> None:
    assert builds_on(variants(teacher={}, student=distilled("teacher"))) == {"student": ["teacher"]}
    inherited = variants(whole={"pretraining": "none"}, frozen={"pretraining": {"freeze": True}}, tuned={})
    inherited["recipe"] = {**RECIPE, "pretraining": TRANSFER}
    assert builds_on(inherited) == {"frozen": ["whole"], "tuned": ["whole"]}
    both = {"pretraining": TRANSFER, "curriculum": {"scorer": {"type": "teacher", "teacher": {"arm": "big"}}}}
    assert builds_on(variants(both=both, big={}, whole={})) == {"both": ["whole", "big"]}


def test_a_value_of_an_axis_may_name_another_arm() -> None:
    copied = {**TRANSFER, "checkpoint": {"arm": "pretraining=none"}}
    design = {"type": "grid", "axes": {"/pretraining": ["none", copied]}}
    name = "pretraining=transfer(checkpoint=pretraining=none)"
    assert builds_on({"recipe": RECIPE, "design": design}) == {name: ["pretraining=none"]}


def test_an_ablation_may_build_on_the_arm_without_an_ingredient() -> None:
    copied = {**TRANSFER, "checkpoint": {"arm": "without transfer"}}
    document = {"recipe": {**RECIPE, "norm": "batch_norm", "pretraining": copied}, "design": {"type": "ablation"}}
    assert builds_on(document) == {"recipe": ["without transfer"], "without batch_norm": ["without transfer"]}


def test_labels_are_no_references() -> None:
    document = variants(a={}, b={"labels": {"arm": "a"}, "dropout": 0.1})
    assert builds_on(document) == {}
    document["recipe"] = {**RECIPE, "labels": {"arm": "a"}}
    assert builds_on(document) == {}
    assert builds_on(variants(a={}, labels=distilled("a"))) == {"labels": ["a"]}


def test_a_thousand_arms_may_build_on_each_other_in_turn() -> None:
    chain = {str(number): distilled(str(number - 1)) for number in range(999, 0, -1)}
    arms = read_experiment(variants(**chain, **{"0": {}})).arms.arms
    assert [arm.name for arm in in_order(arms)] == [str(number) for number in range(1000)]


@pytest.mark.parametrize(
    ("document", "place", "code", "words"),
    [
        (variants(teacher={}, s=distilled("techer")), "/design/variants/s/objective/distillation/teacher",
         "unknown_arm", "did you mean 'teacher'?"),
        (variants(teacher={}, s=distilled("s")), "/design/variants/s/objective/distillation/teacher",
         "conflict", "cannot build on its own run"),
        (variants(a=distilled("b"), b=distilled("a")), "/design/variants/a/objective/distillation/teacher",
         "conflict", "'a' builds on 'b' builds on 'a'"),
        ({"recipe": {**RECIPE, "pretraining": TRANSFER}, "design": {"type": "variants", "variants": {"whole": {}}}},
         "/recipe/pretraining/checkpoint", "conflict", "replace this in the arm itself"),
        ({"recipe": RECIPE, "design": {"type": "search", "trials": 2, "space": {
            "/pretraining": {"type": "choice", "values": ["none", TRANSFER]}}}},
         "/design/space/~1pretraining/values/1/checkpoint", "conflict", "a search has no arm 'whole'"),
        ({"recipe": {**RECIPE, "norm": {"arm": "a"}}, "design": {"type": "variants", "variants": {"a": {}}}},
         "/recipe/norm", "unknown_variant", "the arm 'a'"),
    ],
)  # fmt: skip
def test_a_wrong_reference_is_named_with_its_place(document: Document, place: str, code: str, words: str) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        read_experiment(document)
    problem = caught.value.problems[0]
    assert ((problem.pointer or "").removesuffix("/arm").removesuffix("/type"), problem.code) == (place, code)
    assert words in problem.message


def test_a_recipe_outside_of_an_experiment_names_no_arm() -> None:
    with pytest.raises(RecipeInvalid) as caught:
        read_recipe({**RECIPE, **distilled("teacher")})
    problems = {problem.pointer: problem.message for problem in caught.value.problems}
    assert "only in an experiment" in problems["/objective/distillation/teacher/arm"]
