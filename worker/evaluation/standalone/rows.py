"""Turns the texts of a table's row into the numbers that a model gets. `bakehouse code` prints this source, so it needs
nothing from Bakehouse but how numbers and dates are read."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from bakehouse.data.readers.missing_marks import MARKS
from bakehouse.data.readers.written_dates import read_date
from bakehouse.data.readers.written_numbers import Style, read_number


class Column(Protocol):
    """How the cells of a column become numbers."""

    def read(self, text: str) -> float:
        """Returns the number of a cell that is not empty."""
        ...


def encode_row(row: Mapping[str, Any], columns: Mapping[str, Column]) -> list[float]:
    """Returns the numbers of a row, such as one of csv.DictReader, by the names of its columns; nan for a cell that is
    empty or not there."""
    return [encode_cell(row.get(name), column) for name, column in columns.items()]


def encode_cell(value: Any, column: Column) -> float:
    text = "" if value is None else str(value).strip()
    return math.nan if text in MARKS else column.read(text)


class Number:
    """Reads numbers such as 1234.5."""

    def read(self, text: str) -> float:
        return float(text)


class WrittenNumber:
    """Reads numbers with a comma, with grouped digits, with a currency or a unit. Other texts are gaps, as in the
    file."""

    def __init__(self, form: str) -> None:
        """`form` is `point` or `comma`, the mark that begins the decimals, and perhaps a unit: `point kg`."""
        style, _, self.unit = form.partition(" ")
        self.style: Style = "comma" if style == "comma" else "point"

    def read(self, text: str) -> float:
        found = read_number(text, self.style, self.unit)
        return math.nan if found is None else found


class Date:
    """Reads days and times as seconds since 1970-01-01 UTC; besides those of its form also 2024-01-31. Other texts are
    gaps, as in the file."""

    def __init__(self, form: str) -> None:
        self.form = form

    def read(self, text: str) -> float:
        found = read_date(text, self.form)
        found = read_date(text, "year first") if found is None else found
        return math.nan if found is None else found


class Boolean:
    """Reads two texts as 0 and 1, in upper or lower case, or two whole numbers. Any other text is a gap."""

    def __init__(self, *classes: str) -> None:
        self.numbers = {name.lower(): float(number) for number, name in enumerate(classes)}
        self.numbers |= {name: float(number) for number, name in enumerate(classes)}

    def read(self, text: str) -> float:
        found = self.numbers.get(text, self.numbers.get(text.lower()))
        return self.numbers.get(whole_number(text), math.nan) if found is None else found


class Category:
    """Reads texts as the numbers of their classes; a class that the data set does not have is -1. Whole numbers may be
    written as in 3.0."""

    def __init__(self, *classes: str) -> None:
        self.numbers = {name: float(number) for number, name in enumerate(classes)}

    def read(self, text: str) -> float:
        return self.numbers[text] if text in self.numbers else self.numbers.get(whole_number(text), -1.0)


class WrittenCategory:
    """Reads whole numbers as `WrittenNumber` does, and returns the numbers of their classes."""

    def __init__(self, form: str, *classes: str) -> None:
        self.numbers = WrittenNumber(form)
        self.classes = Category(*classes)

    def read(self, text: str) -> float:
        found = self.numbers.read(text)
        return found if math.isnan(found) else self.classes.read(repr(found))


def whole_number(text: str) -> str:
    """Returns 3 for 3.0, and the text itself if it is no whole number."""
    try:
        # The zero takes its sign from -0.0.
        return f"{float(text) + 0:.0f}" if float(text).is_integer() else text
    except ValueError:
        return text
