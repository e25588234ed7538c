"""Reads days and times as people and programs write them, as seconds since 1970-01-01 UTC."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

_ZONE = r"(?P<zone>Z|UTC|GMT|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_CLOCK_TIME = (
    r"(?:T|\s+|,\s*)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
)
# A day may have a zone only where it is written as in 2024-01-31Z: what follows 10 Jan 20 is the rest of the year.
_TIME = rf"(?:{_CLOCK_TIME}\s*{_ZONE}?)?"
_DAY_NAME = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?,?\s+)?"
_MONTH = r"(?P<name>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
YEAR_FIRST = (
    rf"(?P<year>[0-9]{{4}})(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})"
    rf"(?:(?P=mark)(?P<day>[0-9]{{1,2}})(?:{_CLOCK_TIME})?\s*{_ZONE}?)?"
)
DAY_FIRST = rf"(?P<day>[0-9]{{1,2}})(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark){_YEAR}{_TIME}"
MONTH_FIRST = rf"(?P<month>[0-9]{{1,2}})(?P<mark>[-/.])(?P<day>[0-9]{{1,2}})(?P=mark){_YEAR}{_TIME}"
NAMED = rf"{_DAY_NAME}(?:(?P<day>[0-9]{{1,2}})\.?[-\s/]*)?{_MONTH}[-\s,/]*{_YEAR}{_TIME}"
NAMED_FIRST = (
    rf"{_DAY_NAME}{_MONTH}[-\s/]+(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:,\s*|[-\s/]+)(?P<year>[0-9]{{4}}){_TIME}"
)
NAMED_LAST_YEAR = (
    rf"{_DAY_NAME}{_MONTH}\s+(?P<day>[0-9]{{1,2}})\s+(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-9]{{2}}):(?P<second>[0-9]{{2}})\s+"
    r"(?P<zone>UTC\s+|GMT\s+)?(?P<year>[0-9]{4})"
)
QUARTER = r"(?P<year>[0-9]{4})[-\s]?Q(?P<quarter>[1-4])"
QUARTER_FIRST = r"Q(?P<quarter>[1-4])[-/\s]?(?P<year>[0-9]{4})"
DIGITS = r"(?P<year>19[0-9]{2}|20[0-9]{2}|2100)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12][0-9]|3[01])"
CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?)?"
    r"\s*(?P<half>[AaPp][Mm])?"
)
DIGITS_FORM = "eight digits"
"""The form of days such as 20240131."""
MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMS: dict[str, re.Pattern[str]] = {
    "year first": re.compile(YEAR_FIRST),
    "day first": re.compile(DAY_FIRST),
    "month first": re.compile(MONTH_FIRST),
    "named month": re.compile(NAMED, re.IGNORECASE),
    "named month first": re.compile(NAMED_FIRST, re.IGNORECASE),
    "named month, year last": re.compile(NAMED_LAST_YEAR, re.IGNORECASE),
    "quarter": re.compile(QUARTER, re.IGNORECASE),
    "quarter first": re.compile(QUARTER_FIRST, re.IGNORECASE),
    "time of day": re.compile(CLOCK),
    DIGITS_FORM: re.compile(DIGITS),
}


def read_dates(texts: Sequence[str], *, day_first: bool) -> tuple[list[float], str] | None:
    """Returns the seconds of each text and the name of the form, or None if the texts are not dates of one form.

    `day_first` decides where all days and months could be swapped.
    """
    first, second = ("day first", "month first") if day_first else ("month first", "day first")
    # Points stand between days, months and years where the day comes first.
    if "." in texts[0]:
        first, second = "day first", "month first"
    order = ["year first", first, second, *list(FORMS)[3:]]
    for name in order:
        seconds = _read_all(texts, name)
        if seconds is not None:
            return seconds, name
    return None


def write_date(seconds: float) -> str:
    """Returns a day, or a moment where the time is not midnight, as ISO 8601 has it."""
    text = (EPOCH + timedelta(seconds=seconds)).isoformat(sep=" ").removesuffix("+00:00")
    return text.removesuffix(" 00:00:00")


def read_date(text: str, form: str) -> float | None:
    """Returns the seconds of a text in one of the `FORMS`, or None if it is not written so."""
    match = FORMS[form].fullmatch(text)
    return None if match is None else _seconds(match.groupdict())


def is_ambiguous(texts: Sequence[str], form: str) -> bool:
    """Whether days and months could also be the other way round."""
    other = {"day first": "month first", "month first": "day first"}.get(form)
    return other is not None and "." not in texts[0] and _read_all(texts, other) is not None


def _read_all(texts: Sequence[str], form: str) -> list[float] | None:
    seconds: list[float] = []
    for text in texts:
        value = read_date(text, form)
        if value is None:
            return None
        seconds.append(value)
    return seconds


def _seconds(parts: dict[str, str | None]) -> float | None:
    year = int(parts.get("year") or 1970)
    if len(parts.get("year") or "1970") == 2:
        # As Excel has it: 30 to 99 are of the last century.
        year += 1900 if year >= 30 else 2000
    month = int(parts.get("month") or MONTHS.get((parts.get("name") or "jan").lower(), 1))
    if parts.get("quarter"):
        month = 3 * int(parts["quarter"] or 1) - 2
    hour = int(parts.get("hour") or 0)
    half = (parts.get("half") or "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    try:
        moment = datetime(
            year,
            month,
            int(parts.get("day") or 1),
            hour,
            int(parts.get("minute") or 0),
            int(parts.get("second") or 0),
            tzinfo=_zone(parts.get("zone")),
        )
    except ValueError:
        return None
    return (moment - EPOCH) / timedelta(seconds=1) + float(f"0.{parts.get('fraction') or 0}")


def _zone(text: str | None) -> timezone:
    if not text or text.strip() in ("Z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
