"""Reads the distinct texts of a column as numbers, truth values or dates, if all of them are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bakehouse.data.parsed import quote
from bakehouse.data.readers.cell_store import Distinct
from bakehouse.data.readers.missing_marks import LOOSE_MARKS
from bakehouse.data.readers.written_dates import is_ambiguous, read_dates, write_date
from bakehouse.data.readers.written_numbers import PLAIN, Style, find_unit, read_numbers, unit_of
from bakehouse.plurals import count_of

Values = list[float | None]

MANY_NUMBERS = 20
RARE = 0.02
"""Share of the cells up to which texts among many different numbers are taken for gaps."""
RECURRING = 0.2
"""The same for one text that recurs."""
PAIRS = (("false", "true"), ("no", "yes"), ("off", "on"), ("f", "t"), ("n", "y"))
IS_PLAIN = re.compile(PLAIN)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")


@dataclass(frozen=True)
class Reading:
    """The numbers that the distinct texts of a column mean, and the kind of column that they make."""

    kind: Literal["number", "boolean", "date"]
    values: Values
    """The value of each distinct text; None if the text stands for a missing value."""
    classes: tuple[str, ...] = ()
    """The two texts of truth values, the false one first."""
    notes: tuple[str, ...] = ()
    form: str | None = None
    """How the numbers or dates are written; see `Column.form`."""


def read_values(distinct: Distinct, *, is_comma_likely: bool, place: str) -> Reading | None:
    """Reads the texts of a column, or returns None if they are mere texts.

    `is_comma_likely` decides where 1,234 could be read either way; `place` is the word for a line.
    """
    return (
        _read_booleans(distinct)
        or _read_numbers(distinct, is_comma_likely=is_comma_likely, place=place)
        or _read_dates(distinct, day_first=is_comma_likely)
    )


def _read_booleans(distinct: Distinct) -> Reading | None:
    """Reads a pair of words for false and true, in any case."""
    lower = [text.lower() for text in distinct.texts]
    pair = next((pair for pair in PAIRS if set(lower) == set(pair)), None)
    if pair is None:
        return None
    values: Values = [float(pair.index(word)) for word in lower]
    if len(lower) == 2:
        return Reading("boolean", values, (distinct.texts[values.index(0)], distinct.texts[values.index(1)]))
    return Reading("boolean", values, pair, (f"{', '.join(distinct.texts)} are read as {pair[0]} or {pair[1]}",))


def _read_numbers(distinct: Distinct, *, is_comma_likely: bool, place: str) -> Reading | None:
    unit = find_unit([text for text in distinct.texts if text.lower() not in LOOSE_MARKS])
    by_style: dict[Style, Values] = {
        "point": read_numbers(distinct.texts, "point", unit),
        "comma": read_numbers(distinct.texts, "comma", unit),
    }
    order: tuple[Style, Style] = ("comma", "point") if is_comma_likely else ("point", "comma")
    # min() takes the first of equals.
    style = min(order, key=lambda style: by_style[style].count(None))
    values = by_style[style]
    gaps = [value is None for value in values]
    odd = [is_gap and text.lower() not in LOOSE_MARKS for is_gap, text in zip(gaps, distinct.texts, strict=True)]
    if all(gaps) or not _are_few(distinct, odd):
        return None
    notes = [_describe_gaps(distinct, gaps, place)] if any(gaps) else []
    example = next(
        (text for text, value in zip(distinct.texts, values, strict=True) if value is not None and not _is_plain(text)),
        None,
    )
    if example is not None:
        notes.append(f"{quote(example)} is read as {values[distinct.texts.index(example)]:.15g}")
    return Reading("number", values, notes=tuple(notes), form=f"{style} {unit}".strip())


def explain_units(texts: Sequence[str]) -> list[str]:
    """Says why texts are no numbers, if they all were numbers but for a unit that some of them lack."""
    units = {text: unit_of(text) for text in texts if text.lower() not in LOOSE_MARKS}
    if None in units.values() or len(set(units.values()) - {""}) != 1 or "" not in units.values():
        return []
    with_unit = next(text for text, unit in units.items() if unit)
    without = next(text for text, unit in units.items() if not unit)
    why = f"{quote(with_unit)} has a unit and {quote(without)} has none"
    return [f"it is treated as text because {why}: write all its numbers in the same way"]


def _is_plain(text: str) -> bool:
    return IS_PLAIN.fullmatch(text) is not None


def _are_few(distinct: Distinct, odd: Sequence[bool]) -> bool:
    """Whether texts are so few among many different numbers that they mean missing values."""
    if not any(odd):
        return True
    share = distinct.count(odd) / int(distinct.counts.sum())
    is_rare = share <= RARE or (sum(odd) == 1 and share <= RECURRING)
    return is_rare and len(odd) - sum(odd) > MANY_NUMBERS


def _describe_gaps(distinct: Distinct, gaps: Sequence[bool], place: str) -> str:
    texts = [text for text, is_gap in zip(distinct.texts, gaps, strict=True) if is_gap]
    first = min(int(line) for line, is_gap in zip(distinct.lines, gaps, strict=True) if is_gap)
    shown = ", ".join(map(quote, texts[:3])) + (", …" if len(texts) > 3 else "")
    count = count_of(distinct.count(gaps), "cell")
    return f"{shown} among numbers is taken for a missing value ({count}, the first in {place} {first})"


def _read_dates(distinct: Distinct, *, day_first: bool) -> Reading | None:
    is_date = [text.lower() not in LOOSE_MARKS for text in distinct.texts]
    texts = [text for text, each in zip(distinct.texts, is_date, strict=True) if each]
    found = read_dates(texts, day_first=day_first) if texts else None
    if found is None:
        return None
    seconds, form = found
    notes = []
    if not ISO_DATE.fullmatch(texts[0]) and form != "time of day":
        doubt = f", the {form}; write days as 2024-01-31 if that is wrong" if is_ambiguous(texts, form) else ""
        notes.append(f"{quote(texts[0])} is read as {write_date(seconds[0])}{doubt}")
    of_dates = iter(seconds)
    return Reading("date", [next(of_dates) if each else None for each in is_date], notes=tuple(notes), form=form)
