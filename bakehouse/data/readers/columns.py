"""Finds the kind of each column of a table by all of its cells, and encodes them as numbers."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import quote
from bakehouse.data.precision import needs_double
from bakehouse.data.readers.cell_store import CellStore, Distinct
from bakehouse.data.readers.column_values import Reading, explain_units, read_values
from bakehouse.data.readers.written_dates import DIGITS_FORM, write_date
from bakehouse.plan.card import Column, ColumnKind
from bakehouse.plurals import count_of

Floats = NDArray[np.float64]

MAX_CLASSES = 1_000
"""Limit on the number of distinct values that a column's card lists."""
MAX_LISTED_CHARACTERS = 100_000
# Most columns become float32, in which a larger number would be infinite.
MAX_NUMBER = float(np.finfo(np.float32).max)
EXACT_DIGITS = 15
"""Number of digits up to which different whole numbers are different in 64 bits."""
DAY_SECONDS = 86_400
MONTHS = 12
FIRST_DAY = 19_000_101
LAST_DAY = 21_001_231
LOOKED_AT = 2_000
"""Number of distinct texts after which it is plain that a column has neither numbers nor dates."""
WORDS_OF_A_NAME = 4.0
IDENTIFIER = re.compile(r"(?:.*[\W_])?(?i:id|uid|uuid|guid)|.*[a-z]I[dD]")
"""Names of columns whose numbers name something."""
ROW_NUMBER = re.compile(
    r"unnamed: ?\d+|(row)?index|idx|rows?|row ?names?|row[ _]?(number|nr|no)|obs|observation|case|record|serial|seq|key"
    r"|nr|no\.?|number|#|s\.?no\.?",
    re.IGNORECASE,
)
"""Names of columns that may count the rows."""


@dataclass(frozen=True)
class Encoded:
    """A column as numbers, with what a user should know about how its cells were read."""

    column: Column
    values: Floats
    notes: tuple[str, ...] = ()


class Survey(NamedTuple):
    """Counts of a column's cells by how they are written."""

    plain: int
    """Numbers as programs write them."""
    others: int
    """Neither such numbers nor marks for missing values."""
    marks: int
    """Marks for missing values, without empty cells."""
    digits: int
    """Plain numbers of digits alone."""
    padded: int
    """Numbers that begin with zeros, such as 007."""
    lengths: int
    """Number of different lengths of the plain numbers."""
    longest: int
    """The length of the longest whole number."""
    with_point: int
    in_threes: int
    """Plain numbers with a point before each three digits, such as 1.234."""
    with_comma: int
    """Numbers whose comma begins decimals beyond doubt, such as 1,5."""


SURVEY = (
    "count(*) FILTER (is_plain)",
    "count(*) FILTER (NOT is_plain AND NOT is_mark)",
    "count(*) FILTER (is_mark AND cell <> '')",
    "count(*) FILTER (regexp_full_match(cell, '[0-9]+'))",
    "count(*) FILTER (regexp_full_match(cell, '0[0-9]+'))",
    "count(DISTINCT length(cell)) FILTER (is_plain)",
    "coalesce(max(length(cell)) FILTER (regexp_full_match(cell, '[+-]?[0-9]+')), 0)",
    "count(*) FILTER (is_plain AND contains(cell, '.'))",
    "count(*) FILTER (regexp_full_match(cell, '[+-]?[0-9]{1,3}([.][0-9]{3})+'))",
    "count(*) FILTER (regexp_full_match(cell, '[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]*),([0-9]{1,2}|[0-9]{4,})'))",
)
CLASS_HINT = "; another text, such as 'none', would be a class"
BLOCK = 50
"""Number of columns that are read by one query, because a table of thousands would take a query for each."""
QUICK_SURVEY = (
    "count(*) FILTER (is_plain)",
    "count(*) FILTER (cell <> '')",
    "count(*) FILTER (regexp_full_match(cell, '0[0-9]+'))",
    "coalesce(max(length(cell)) FILTER (regexp_full_match(cell, '[+-]?[0-9]+')), 0)",
)


class ColumnReader:
    """Encodes the columns of one table, in their order."""

    def __init__(self, store: CellStore, *, is_comma_likely: bool) -> None:
        """Surveys all columns; `is_comma_likely` says that a comma may begin decimals, as in files with semicolons."""
        self._store = store
        self._clean = _find_clean(store)
        self._numbers: dict[int, Floats] = {}
        odd = sorted(set(range(store.columns)) - set(self._clean))
        self._surveys = {index: self._survey(index) for index in odd}
        self._has_decimal_commas = any(2 * survey.with_comma > survey.others > 0 for survey in self._surveys.values())
        self._is_comma_likely = is_comma_likely or self._has_decimal_commas
        if self._has_decimal_commas:
            # Beside decimal commas, points group digits, so no number is plain.
            self._surveys |= {index: self._survey(index) for index in self._clean}
            self._clean = []

    def _survey(self, index: int) -> Survey:
        return Survey(*self._store.survey(index, *SURVEY))

    def encode(self, index: int, name: str) -> Encoded:
        """Finds the kind of a column and encodes its cells."""
        if index in self._clean:
            values = self._clean_numbers(index)
            if is_day(values) and self._survey(index).digits:
                return self._encode_days(index, name, values)
            return Encoded(self._describe_numbers(index, name, values, "number"), values)
        survey = self._surveys[index]
        why_names = self._why_names(index)
        if why_names is not None:
            return self._encode_texts(index, name, [why_names])
        grouped = self._has_decimal_commas and 0 < survey.with_point == survey.in_threes
        if survey.plain and not survey.others and not grouped:
            (values,) = self._store.numbers([index])
            if is_day(values) and survey.digits == survey.plain:
                return self._encode_days(index, name, values)
            column = self._describe_numbers(index, name, values, "number")
            return Encoded(column, values, self._describe_marks(index, name, ""))
        reading = self._read_values(index)
        return self._encode_texts(index, name, []) if reading is None else self._encode_values(index, name, reading)

    def _encode_days(self, index: int, name: str, numbers: Floats) -> Encoded:
        """Encodes days that are written as 20240131."""
        known = ~np.isnan(numbers)
        values = np.full(len(numbers), np.nan)
        values[known] = seconds_of_days(numbers[known])
        column = self._describe_numbers(index, name, values, "date").model_copy(update={"form": DIGITS_FORM})
        first = f"'{numbers[known][0]:.0f}' is read as {write_date(values[known][0])}"
        note = f"{quote(name)}: {first}, because all its numbers are days of eight digits"
        marks = self._describe_marks(index, name, "") if index in self._surveys else ()
        return Encoded(column, values, (note, *marks))

    def _clean_numbers(self, index: int) -> Floats:
        if index not in self._numbers:
            start = self._clean.index(index)
            block = self._clean[start : start + BLOCK]
            self._numbers = dict(zip(block, self._store.numbers(block), strict=True))
        return self._numbers[index]

    def _encode_values(self, index: int, name: str, reading: Reading) -> Encoded:
        codes = self._store.codes(index)
        known = ~np.isnan(codes)
        values = np.full(len(codes), np.nan)
        values[known] = np.array(reading.values, np.float64)[codes[known].astype(np.int64)]
        hint = CLASS_HINT if reading.kind == "boolean" else ""
        notes = (*(f"{quote(name)}: {note}" for note in reading.notes), *self._describe_marks(index, name, hint))
        if reading.kind == "number" and is_day(values) and self._surveys[index].digits == self._surveys[index].plain:
            return self._encode_days(index, name, values)
        if reading.kind == "boolean":
            return Encoded(describe_classes(name, "boolean", reading.classes, values), values, notes)
        column = self._describe_numbers(index, name, values, reading.kind)
        return Encoded(column.model_copy(update={"form": reading.form}), values, notes)

    def _why_names(self, index: int) -> str | None:
        """Returns why a column of digits has names and not numbers, or None if it has numbers."""
        survey = self._surveys[index]
        if survey.others or not survey.plain or survey.digits < survey.plain:
            return None
        if survey.padded and survey.lengths == 1:
            return "its numbers begin with zeros, so they are read as codes"
        if survey.longest <= EXACT_DIGITS:
            return None
        texts, numbers = self._store.survey(
            index, "count(DISTINCT cell) FILTER (is_plain)", "count(DISTINCT TRY_CAST(cell AS DOUBLE))"
        )
        return (
            "its numbers have more digits than 64 bits tell apart, so they are read as codes"
            if texts > numbers
            else None
        )

    def _read_values(self, index: int) -> Reading | None:
        distinct = self._store.distinct(index, LOOKED_AT)
        reading = self._read(distinct)
        if len(distinct.texts) < LOOKED_AT:
            return reading
        # Of many texts, the first in alphabetical order may be the odd ones.
        return self._read(self._store.distinct(index)) if reading is not None or self._surveys[index].plain else None

    def _read(self, distinct: Distinct) -> Reading | None:
        return read_values(distinct, is_comma_likely=self._is_comma_likely, place=self._store.place)

    def _encode_texts(self, index: int, name: str, reasons: list[str]) -> Encoded:
        survey = self._surveys[index]
        distinct, known, words = self._store.survey(
            index,
            "count(DISTINCT cell) FILTER (NOT is_mark)",
            "count(*) FILTER (NOT is_mark)",
            "coalesce(avg(len(string_split(cell, ' '))) FILTER (NOT is_mark), 0)",
        )
        listed = self._store.distinct(index, MAX_CLASSES + 1).texts
        kind = kind_of_texts(distinct, known, words, is_short=sum(map(len, listed)) <= MAX_LISTED_CHARACTERS)
        if survey.plain > survey.others > 0:
            line, text = self._store.survey(
                index,
                "min(line) FILTER (NOT is_plain AND NOT is_mark)",
                "arg_min(cell, line) FILTER (NOT is_plain AND NOT is_mark)",
            )
            where = f"{quote(text)} in {self._store.place} {line}"
            reasons = [*reasons, f"it is treated as text because of {where}, although most of its cells are numbers"]
        reasons = [*reasons, *explain_units(listed)]
        values = self._store.codes(index)
        notes = (*(f"{quote(name)}: {reason}" for reason in reasons), *self._describe_marks(index, name, CLASS_HINT))
        return Encoded(describe_classes(name, kind, tuple(listed), values), values, notes)

    def _describe_numbers(self, index: int, name: str, values: Floats, kind: ColumnKind) -> Column:
        known = values[~np.isnan(values)]
        self._check_range(index, name, known)
        return describe_numbers(name, known, len(values), kind)

    def _describe_marks(self, index: int, name: str, hint: str) -> tuple[str, ...]:
        """Says which texts are taken for missing values."""
        count = self._surveys[index].marks
        if not count:
            return ()
        (marks,) = self._store.survey(index, "list_sort(list_distinct(list(cell) FILTER (is_mark AND cell <> '')))")
        shown = ", ".join(map(quote, marks[:3]))
        return (f"{quote(name)}: {shown} means a missing value ({count_of(count, 'cell')}){hint}",)

    def _check_range(self, index: int, name: str, known: Floats) -> None:
        # Without a copy of the absolute values.
        if known.min(initial=0.0) >= -MAX_NUMBER and known.max(initial=0.0) <= MAX_NUMBER:
            return
        line, text = self._store.survey(
            index,
            f"min(line) FILTER (abs(TRY_CAST(cell AS DOUBLE)) > {MAX_NUMBER!r})",
            f"arg_min(cell, line) FILTER (abs(TRY_CAST(cell AS DOUBLE)) > {MAX_NUMBER!r})",
        )
        where = f"{self._store.place} {line}, column {quote(name)}"
        problem = f"{where}: {quote(str(text))} is not a finite number in the range of float32"
        raise UnusableSource(problem, line=line, column=name)


def _find_clean(store: CellStore) -> list[int]:
    """Returns the columns that have nothing but plain numbers of moderate length and empty cells."""
    clean: list[int] = []
    for start in range(0, store.columns, BLOCK):
        block = range(start, min(start + BLOCK, store.columns))
        for index, (plain, filled, padded, longest) in zip(
            block, store.survey_block(block, *QUICK_SURVEY), strict=True
        ):
            if plain == filled > 0 and not padded and longest <= EXACT_DIGITS:
                clean.append(index)
    return clean


def is_day(numbers: Floats) -> bool:
    """Whether all numbers are days of the years 1900 to 2100 that are written as 20240131."""
    known = numbers[~np.isnan(numbers)]
    if not len(known) or known.min() < FIRST_DAY or known.max() > LAST_DAY or (known != np.floor(known)).any():
        return False
    months, days = months_and_days(known)
    is_month = (known // 100 % 100 >= 1) & (known // 100 % 100 <= MONTHS)
    lengths = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
    return bool((is_month & (days >= 1) & (days <= lengths.astype(np.int64))).all())


def seconds_of_days(numbers: Floats) -> Floats:
    """Returns the seconds since 1970-01-01 UTC of days that are written as 20240131."""
    months, days = months_and_days(numbers)
    return np.asarray((months.astype("datetime64[D]").astype(np.int64) + days - 1) * DAY_SECONDS, np.float64)


def months_and_days(numbers: Floats) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Returns the months of days that are written as 20240131, and the days of the month."""
    whole = numbers.astype(np.int64)
    months = MONTHS * (whole // 10_000 - 1970) + whole // 100 % 100 - 1
    return months.astype("datetime64[M]"), whole % 100


def kind_of_texts(distinct: int, known: int, words: float, *, is_short: bool) -> ColumnKind:
    """Returns the kind of a column with so many distinct texts in so many cells, of so many words on average."""
    if distinct <= 1:
        return "constant"
    if distinct == 2:
        return "boolean"
    # What hardly recurs says nothing about new rows.
    if distinct <= MAX_CLASSES and is_short and 2 * distinct <= known:
        return "category"
    return "text" if words > WORDS_OF_A_NAME or not is_short else "identifier"


def describe_classes(name: str, kind: ColumnKind, texts: tuple[str, ...], values: Floats) -> Column:
    """Describes a column by its texts, and by the index of a text in each row."""
    known = values[~np.isnan(values)]
    is_listed = len(texts) <= MAX_CLASSES and sum(map(len, texts)) <= MAX_LISTED_CHARACTERS
    counts = np.bincount(known.astype(np.int64), minlength=len(texts)) if is_listed else None
    return Column(
        name=name,
        kind=kind,
        classes=texts if is_listed else None,
        class_counts=None if counts is None else tuple(counts.tolist()),
        missing=len(values) - len(known),
    )


def describe_numbers(name: str, known: Floats, rows: int, kind: ColumnKind) -> Column:
    """Describes a column by its numbers that are not missing."""
    whole = kind == "number" and bool((known == np.floor(known)).all())
    distinct, counts = np.unique(known, return_counts=True)
    is_listed = whole and len(distinct) <= MAX_CLASSES
    if len(distinct) == 1:
        kind = "constant"
    elif whole and len(distinct) == rows and names_rows(name, known):
        kind = "identifier"
    return Column(
        name=name,
        kind=kind,
        whole=whole,
        classes=tuple(str(int(value)) for value in distinct) if is_listed else None,
        class_counts=tuple(counts.tolist()) if is_listed else None,
        minimum=float(known.min()),
        maximum=float(known.max()),
        mean=float(known.mean()),
        dtype="float64" if needs_double(known, (0,)) else "float32",
        missing=rows - len(known),
        has_times=kind == "date" and bool((known % DAY_SECONDS != 0).any()),
    )


def names_rows(name: str, values: Floats) -> bool:
    """Whether different whole numbers are the names of the rows: by the column's name, or because they count them."""
    if IDENTIFIER.fullmatch(name):
        return True
    return ROW_NUMBER.fullmatch(name) is not None and bool((np.diff(values) == 1).all())
