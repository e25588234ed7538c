"""Which settings of early stopping can be asked about, and what is said of the others."""

import pytest

from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.what_if_question import read_question, refuse_long_work

LOSS = "validation_loss"


def refusals(document: object, monitor: str = LOSS) -> list[Problem]:
    with pytest.raises(RecipeInvalid) as caught:
        read_question(document, monitor=monitor)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("setting", "pointer", "part"),
    [
        ({"type": "generalization_loss", "alpha": 0}, "/early_stopping/1/alpha", "greater than 0"),
        ({"type": "patienc"}, "/early_stopping/1/type", "did you mean 'patience'?"),
        ("patienc", "/early_stopping/1", "did you mean 'patience'?"),
        ({"pacience": 3}, "/early_stopping/1/pacience", "did you mean 'patience'?"),
        ({"type": "successive_increases", "strips": 0}, "/early_stopping/1/strips", "greater than or equal to 1"),
        ({"min_epochs": -1}, "/early_stopping/1/min_epochs", "greater than or equal to 0"),
        (0, "/early_stopping/1", "greater than or equal to 1"),
        (2.5, "/early_stopping/1", "should be an integer"),
        (True, "/early_stopping/1", "not true"),
        (False, "/early_stopping/1", '"none" to switch it off'),
        ([3], "/early_stopping/1", "not a list"),
    ],
)
def test_a_setting_is_refused_as_in_a_recipe(setting: object, pointer: str, part: str) -> None:
    [problem] = refusals({"early_stopping": [5, setting]})
    assert problem.pointer == pointer
    assert part in problem.message
    assert problem.allowed


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([5], ""),
        ({}, "/early_stopping"),
        ({"early_stopping": 5}, "/early_stopping"),
        ({"early_stopping": []}, "/early_stopping"),
        ({"early_stopping": [5] * 101}, "/early_stopping"),
        ({"early_stopping": [5], "patience": 3}, "/patience"),
    ],
)
def test_a_question_of_another_form_is_refused(document: object, pointer: str) -> None:
    assert [problem.pointer for problem in refusals(document)] == [pointer]


def test_a_question_under_another_name_is_told_the_right_one() -> None:
    missing, unknown = refusals({"settings": [5]})
    assert (missing.pointer, missing.message) == ("/early_stopping", "this field is required")
    assert (unknown.pointer, unknown.message, unknown.allowed) == ("/settings", "unknown field", ("early_stopping",))


def test_few_settings_can_be_asked_about_a_very_long_run() -> None:
    question = read_question({"early_stopping": [5] * 11}, monitor=LOSS)
    refuse_long_work(question, 90_000)
    with pytest.raises(RecipeInvalid, match="/early_stopping: there are 100,000 measured epochs: ask about at most 10"):
        refuse_long_work(question, 100_000)


def test_a_criterion_of_losses_is_refused_for_an_accuracy() -> None:
    settings = ["generalization_loss", 3, {"type": "progress_quotient"}]
    found = refusals({"early_stopping": settings}, "validation_accuracy")
    assert [problem.pointer for problem in found] == ["/early_stopping/0", "/early_stopping/2/type"]
    assert found[0].message == "generalization_loss compares losses, and validation_accuracy is not a loss"
    assert found[0].allowed == ("none", "patience", "successive_increases")
