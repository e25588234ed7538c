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
