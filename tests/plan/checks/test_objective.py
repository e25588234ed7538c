"""Add-ons of the objective go together; what does not is in test_checks.py."""

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import SAVED, Document, image_card, planned, table_card

HINTS = {"type": "hints", "teacher": SAVED}
TAUGHT = {"distillation": {"teacher": SAVED}}
IN_RANGE: Document = {"objective": {"adversarial": {"unit": "range"}}}


@pytest.mark.parametrize(
    ("document", "card"),
    [
        ({**IN_RANGE, "architecture": "cnn"}, image_card()),
        ({"objective": {"adversarial": 0.1}}, table_card(classes=None)),
        ({"architecture": "linear", "regularizer": "dropout_penalty", "objective": {"adversarial": 0.1}}, table_card()),
        ({"objective": {**TAUGHT, "adversarial": 0.1, "label_smoothing": 0.1}}, table_card()),
        ({"pretraining": HINTS, "objective": {"adversarial": 0.1}}, table_card()),
    ],
)
def test_an_objective_that_fits_is_planned(document: Document, card: DatasetCard) -> None:
    assert planned(document, card).estimate.parameters


@pytest.mark.parametrize("value", [None, "none", {"type": "none"}])
@pytest.mark.parametrize("name", ["adversarial", "distillation", "label_smoothing"])
def test_an_add_on_can_be_written_off(name: str, value: object) -> None:
    assert planned({"objective": {name: value}}).recipe.sha256() == planned({}).recipe.sha256()


@pytest.mark.parametrize("weights", [5, {}, "weighted", {"1": 0}, {"1": True}, {"1": "2"}, {"1": 1e7}, {"": 1}, [1]])
def test_class_weights_that_are_none_have_one_problem_at_their_field(weights: object) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned({"objective": {"class_weights": weights}})
    [problem] = refused.value.problems
    assert problem.pointer == "/objective/class_weights"
    assert "should be" in problem.message


def test_class_weights_can_be_written_off() -> None:
    assert planned({"objective": {"class_weights": None}}).recipe.sha256() == planned({}).recipe.sha256()
