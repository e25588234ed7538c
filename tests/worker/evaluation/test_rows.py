"""A row of texts becomes the numbers that the model gets."""

import math
from typing import Any

import pytest

from worker.evaluation.standalone.rows import (
    Boolean,
    Category,
    Column,
    Date,
    Number,
    WrittenCategory,
    WrittenNumber,
    encode_row,
)


@pytest.mark.parametrize(
    ("column", "cell", "number"),
    [
        (Number(), "31", 31.0),
        (Number(), 31, 31.0),
        (Number(), " -1.5e3 ", -1500.0),
        (Number(), None, math.nan),
        (Number(), math.nan, math.nan),
        (Number(), "NA", math.nan),
        (WrittenNumber("comma"), "1.234,5", 1234.5),
        (WrittenNumber("point"), "$1,234.50", 1234.5),
        (WrittenNumber("point"), "unknown", math.nan),
        (WrittenNumber("point kg"), "12.5 kg", 12.5),
        (WrittenNumber("comma kg"), "1.200,5kg", 1200.5),
        (WrittenNumber("point kg"), "12.5", 12.5),
        (WrittenNumber("point k"), "12.5k", 12.5),
        (WrittenNumber("point k"), "12500", math.nan),
        (WrittenNumber("point Mio"), "12", math.nan),
        (WrittenNumber("point kg"), "12.5 g", math.nan),
        (WrittenCategory("point kg", "7", "12"), "12 kg", 1.0),
        (Boolean("no", "yes"), "yes", 1.0),
        (Boolean("no", "yes"), "NO", 0.0),
        (Boolean("false", "true"), True, 1.0),
        (Boolean("Male", "male"), "Male", 0.0),
        (Boolean("no", "yes"), "perhaps", math.nan),
        (Category("ash", "birch"), "birch", 1.0),
        (Category("ash", "birch"), "Birch", -1.0),
        (Category("ash", "birch"), "", math.nan),
        (Category("1", "2", "3"), "3.0", 2.0),
        (Category("1", "2", "3"), 2.5, -1.0),
        (Category("1", "inf"), "inf", 1.0),
        (Category("0", "1"), "-0.0", 0.0),
        (Boolean("1", "2"), "2.0", 1.0),
        (WrittenCategory("comma", "7", "1234"), "1.234,00", 1.0),
        (WrittenCategory("comma", "7", "1234"), "8", -1.0),
        (WrittenCategory("comma", "7", "1234"), "unknown", math.nan),
        (Category("1", "2"), "inf", -1.0),
        (Date("year first"), "1970-01-02", 86_400.0),
        (Date("year first"), "1970-01-01T00:00:01Z", 1.0),
        (Date("day first"), "2.1.1970", 86_400.0),
        (Date("day first"), "1970-01-02", 86_400.0),
        (Date("day first"), "soon", math.nan),
        (Date("eight digits"), "19700102", 86_400.0),
        (Date("eight digits"), 19700102, 86_400.0),
        (Date("eight digits"), "1970-01-02", 86_400.0),
        (Date("eight digits"), "19700230", math.nan),
        (Date("quarter first"), "Q1 1970", 0.0),
    ],
)
def test_a_cell_becomes_its_number(column: Column, cell: Any, number: float) -> None:
    [found] = encode_row({"cell": cell}, {"cell": column})
    assert found == number or (math.isnan(found) and math.isnan(number))


def test_a_column_that_is_not_there_is_empty_and_others_are_passed_over() -> None:
    found = encode_row({"b": "2", "c": "3"}, {"a": Number(), "b": Number()})
    assert math.isnan(found[0])
    assert found[1:] == [2.0]


def test_a_text_among_plain_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        encode_row({"a": "many"}, {"a": Number()})
