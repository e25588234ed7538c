"""A curriculum needs a scorer that was trained on such rows, and steps only for a staircase."""

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.recipe.curriculum import Curriculum
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import SAVED, Document, columns_card, image_card, planned, table_card

SCORED: Document = {"curriculum": {"type": "curriculum", "scorer": {"type": "teacher", "teacher": SAVED}}}


def test_a_teacher_of_such_rows_is_taken() -> None:
    assert planned(SCORED).recipe.curriculum.type == "curriculum"


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (image_card(), "its inputs are 64"),
        (table_card(features=63), "its inputs are 64, and these are 63"),
        (table_card(classes=9), "it knows 10 classes, and this set has 9"),
        (table_card(classes=None), "it predicts classes, not numbers"),
    ],
)
def test_a_teacher_of_others_is_refused(card: DatasetCard, says: str) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned(SCORED, card)
    [problem] = refused.value.problems
    assert problem.pointer == "/curriculum/scorer/teacher"
    assert says in problem.message


def test_a_curriculum_without_a_teacher_needs_none() -> None:
    document: Document = {"dataset": {"id": "houses", "target": "price"}, "curriculum": "curriculum"}
    assert planned(document, columns_card()).recipe.curriculum.type == "curriculum"


@pytest.mark.parametrize(
    ("written", "steps"),
    [({"pacing": "linear"}, None), ({"pacing": "root", "steps": None}, None), ({"pacing": "step"}, 4),
     ({"pacing": "step", "steps": 7}, 7)],
)  # fmt: skip
def test_only_a_staircase_has_steps(written: Document, steps: int | None) -> None:
    spec = planned({"curriculum": {"type": "curriculum", **written}}).recipe.curriculum
    assert isinstance(spec, Curriculum)
    assert spec.steps == steps


@pytest.mark.parametrize(("steps", "is_explained"), [(4, True), (5, False)])
def test_steps_that_an_earlier_version_filled_in_are_explained(steps: int, is_explained: bool) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        planned({"curriculum": {"type": "curriculum", "pacing": "linear", "steps": steps}})
    [problem] = caught.value.problems
    assert (problem.pointer, problem.code) == ("/curriculum/steps", "conflict")
    assert ("earlier versions filled in 4 here; it can be left out" in problem.message) == is_explained
