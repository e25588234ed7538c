"""How the cells of rows that users send become the numbers that a model gets."""

import pytest

from bakehouse.data.readers.written_dates import DIGITS_FORM
from bakehouse.plan.inputs import Input
from worker.tasks.predict.cells import CellRefused, make_reader

JANUARY_31 = 1_706_659_200.0


@pytest.mark.parametrize("value", ["20240131", 20240131, 20240131.0, "2024-01-31"])
def test_a_date_of_eight_digits_may_be_a_number(value: object) -> None:
    reader = make_reader(Input("day", "date", form=DIGITS_FORM), fills_gaps=False)
    assert reader.read(value, []) == JANUARY_31


@pytest.mark.parametrize(("value", "form"), [(20240132, DIGITS_FORM), (2024.5, DIGITS_FORM), (20240131, "year first")])
def test_other_numbers_are_no_dates(value: float, form: str) -> None:
    reader = make_reader(Input("day", "date", form=form), fills_gaps=False)
    with pytest.raises(CellRefused, match="is not a date"):
        reader.read(value, [])


@pytest.mark.parametrize(
    ("classes", "value", "number"),
    [
        (("007", "01234"), 7, 0),
        (("007", "01234"), 1234.0, 1),
        (("007", "7"), 7, 1),
        (("0.10", "0.5"), 0.1, 0),
        # Two classes have this number, so it is not known which is meant.
        (("007", "07"), 7, -1),
        (("t", "u"), True, -1),
        (("1", "2"), True, -1),
        (("True", "Unknown"), True, 0),
    ],
)
def test_a_class_that_is_a_number_may_be_sent_as_one(classes: tuple[str, ...], value: object, number: float) -> None:
    reader = make_reader(Input("code", "category", classes), fills_gaps=False)
    notes: list[str] = []
    assert reader.read(value, notes) == number
    assert bool(notes) == (number < 0)


@pytest.mark.parametrize(("value", "number"), [(True, 1), (False, 0), ("Yes", 1)])
def test_truth_values_mean_words_of_a_boolean(value: object, number: float) -> None:
    reader = make_reader(Input("member", "boolean", ("no", "yes")), fills_gaps=False)
    assert reader.read(value, []) == number
