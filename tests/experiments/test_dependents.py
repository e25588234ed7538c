"""What is foreseen of runs that build on others, and what cannot be."""

from itertools import product

import pytest

from bakehouse.experiments import dependents
from bakehouse.experiments.dependents import Foresight
from bakehouse.experiments.question import Question, read_experiment
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.template import RunTemplate

ALL = set(product(("grandchild", "student", "teacher", "new"), range(3), [None]))


def distilled(arm: str) -> JsonObject:
    return {"objective": {"distillation": {"teacher": {"arm": arm}}}}


@pytest.fixture
def question() -> Question:
    variants = {
        "grandchild": distilled("student"),
        "student": distilled("teacher"),
        "teacher": {},
        "new": {"norm": "batch_norm"},
    }
    recipe = {"dataset": "iris", "architecture": "mlp"}
    return read_experiment({"recipe": recipe, "seeds": 3, "design": {"type": "variants", "variants": variants}})


def refuse(recipe: JsonObject) -> RunTemplate:
    raise RecipeInvalid([])


def test_what_builds_on_a_new_run_is_new(question: Question) -> None:
    foresight = Foresight(question, {}, refuse)
    foresight.look_at_dependents(lambda places: [None for _ in places], ALL)
    assert (foresight.reused, foresight.reason) == ({}, None)


@pytest.mark.parametrize("limit", [0, 200])
def test_it_says_of_how_many_runs_it_cannot_tell(
    question: Question, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(dependents, "MAX_FORESEEN", limit)
    teachers: dict[dependents.Key, str] = {("teacher", seed, None): f"run_{seed:012}" for seed in (0, 2)}
    foresight = Foresight(question, teachers, refuse)
    foresight.look_at_dependents(lambda places: [None for _ in places], ALL)
    assert foresight.reused == teachers
    assert foresight.reason == (
        "whether 4 runs that build on finished ones were finished before is seen when they are created"
    )


def test_runs_that_are_not_wanted_are_not_counted(question: Question) -> None:
    teachers: dict[dependents.Key, str] = {("teacher", seed, None): f"run_{seed:012}" for seed in (0, 2)}
    foresight = Foresight(question, teachers, refuse)
    foresight.look_at_dependents(lambda places: [None for _ in places], {("student", 2, None)})
    assert foresight.reason == (
        "whether 1 run that build on finished ones were finished before is seen when they are created"
    )
