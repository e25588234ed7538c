"""Reads the cells of rows that users send as the numbers that a model gets, by the columns of its training data."""

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from bakehouse.data.readers.missing_marks import LOOSE_MARKS, MARKS
from bakehouse.data.readers.written_dates import DIGITS_FORM
from bakehouse.plan.inputs import Input
from bakehouse.plan.script import input_call
from bakehouse.plurals import listed
from worker.evaluation.standalone import rows as readers

MAX_SHOWN_CHARACTERS = 40
MAX_NAMED_CLASSES = 10
WORDS = {True: ("true", "yes", "on", "t", "y", "1"), False: ("false", "no", "off", "f", "n", "0")}
"""The texts, in lower case, that a JSON truth value may mean."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
"""Digits of which a class may consist that is sent as a JSON number."""
LARGEST = 3.4e38
"""About the largest number of 32 bits, which are those of the weights."""


class CellRefused(Exception):
    """Raised if a cell has nothing that its column could mean; the message says why."""


@dataclass(frozen=True)
class CellReader:
    """Reads the cells of one column."""

    column: Input
    reader: readers.Column
    """How the text of a cell becomes a number, which is also what `bakehouse code` prints."""
    fills_gaps: bool
    """Whether the model knows what to do with an empty cell."""

    def read(self, value: object, notes: list[str]) -> float:
        """Returns the number of a cell; nan if it is empty. Adds a note if it is of a class that the data set does not
        have. Raises CellRefused."""
        if self.is_gap(value):
            if not self.fills_gaps:
                raise CellRefused(f"is empty, but {self.column.name} has no empty cell in the data set: send a value")
            return math.nan
        number = self.read_number(value) if isinstance(value, int | float) else self.read_text(value)
        if math.isnan(number):
            raise CellRefused(f"{show(value)} is not {self.describe()}")
        if abs(number) > LARGEST:
            raise CellRefused(f"{show(value)} is too large: at most {LARGEST:g}")
        if number < 0 and self.column.kind == "category":
            notes.append(f"{self.column.name}: {show(value)} is none of its {self.class_count()}, so it counts as none")
        return number

    def is_gap(self, value: object) -> bool:
        """Whether a cell is empty, or has one of the marks that files have for a missing value."""
        if not isinstance(value, str):
            return value is None
        text = value.strip()
        return text in MARKS or (not self.column.classes and text.lower() in LOOSE_MARKS)

    def read_number(self, value: float) -> float:
        """Returns the number of a cell that is a JSON number, true or false."""
        if isinstance(value, bool):
            if not self.column.classes:
                raise CellRefused(f"{show(value)} is not {self.describe()}")
            word = str(value).lower()
            # A category may have classes such as t and 1, which are no truth values there.
            words = (word,) if self.column.kind == "category" else WORDS[value]
            return self.reader.read(next((name for name in self.column.classes if name.lower() in words), word))
        number = as_float(value)
        if not math.isfinite(number) and isinstance(value, float):
            raise CellRefused(f"{value} is not a number that a model can use: send null if the value is missing")
        if self.column.kind == "date":
            if self.column.form == DIGITS_FORM and number.is_integer():
                return self.reader.read(str(int(value)))
            raise CellRefused(f"{value} is not {self.describe()}")
        if not self.column.classes:
            return number
        # The style of texts, such as a comma for decimals, is not that of JSON numbers.
        reader = self.reader.classes if isinstance(self.reader, readers.WrittenCategory) else self.reader
        found = reader.read(str(value))
        if found < 0 and self.column.kind == "category":
            name = self.written_numbers.get(Decimal(str(value)))
            return found if name is None else reader.read(name)
        return found

    @cached_property
    def written_numbers(self) -> dict[Decimal, str | None]:
        """The class that is written with each number, such as 007 for 7; None if there are several."""
        found: dict[Decimal, str | None] = {}
        for name in self.column.classes:
            if NUMBER.fullmatch(name):
                number = Decimal(name)
                found[number] = None if number in found else name
        return found

    def read_text(self, value: object) -> float:
        if not isinstance(value, str):
            raise CellRefused(f"{show(value)} is not {self.describe()}: a cell is a text, a number or null")
        try:
            return self.reader.read(value.strip())
        except ValueError as error:
            raise CellRefused(f"{show(value)} is not {self.describe()}") from error

    def describe(self) -> str:
        """Says what the cells of the column are."""
        match self.column.kind:
            case "date":
                return "a date: write it as 2024-01-31 or as in the data set"
            case "boolean" if self.column.classes:
                return f"one of {' and '.join(self.column.classes)}"
            case "category":
                return "a class"
            case _ if isinstance(self.reader, readers.WrittenNumber) and self.reader.unit:
                return f"a number with its unit, as in 12 {self.reader.unit}"
            case _:
                return "a number"

    def class_count(self) -> str:
        names = self.column.classes
        return f"classes {listed(list(names))}" if len(names) <= MAX_NAMED_CLASSES else f"{len(names):,} classes"


def make_reader(column: Input, *, fills_gaps: bool) -> CellReader:
    """Returns the reader of a column. The model fills gaps in all columns or only in those that have some."""
    call = input_call(column)
    reader: readers.Column = getattr(readers, call.name)(*call.args)
    return CellReader(column, reader, fills_gaps or column.has_gaps)


def as_float(value: float) -> float:
    """Returns a JSON number; infinity for a whole number that is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def show(value: object) -> str:
    """Returns a value as JSON, cut to a few characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
