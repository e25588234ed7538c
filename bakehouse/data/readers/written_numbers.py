"""Reads numbers as people and programs write them: with points or commas, grouped digits, currencies and percents."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Style = Literal["point", "comma"]
"""Which of the two begins the decimals."""

PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_CURRENCY = r"(?:[$€£¥₹₽₩₺฿]|USD|EUR|GBP|CHF|JPY|CAD|AUD|US\$|kr|zł|Fr\.?)"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[+-]?)\s*{_CURRENCY}?\s*(?P<inner>[+-]?)(?P<digits>[0-9.,' ]+(?:[eE][+-]?[0-9]+)?)"
    rf"\s*(?P<affix>{_CURRENCY}|%)?(?P<close>\))?",
)
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_FORMS: dict[Style, re.Pattern[str]] = {
    # Digits in groups of three; in India the first groups have two.
    "point": re.compile(
        rf"(?:[0-9]+|[0-9]{{1,3}}(?:(?:,[0-9]{{2,3}})*,[0-9]{{3}}|(?:[ '][0-9]{{3}})+))?(?:\.[0-9]*)?{_EXPONENT}"
    ),
    "comma": re.compile(rf"(?:[0-9]+|[0-9]{{1,3}}(?:[.][0-9]{{3}}|[ '][0-9]{{3}})+)?(?:,[0-9]*)?{_EXPONENT}"),
}
_TO_PLAIN: dict[Style, dict[int, str]] = {
    "point": {ord(mark): "" for mark in ", '"},
    "comma": {**{ord(mark): "" for mark in ". '"}, ord(","): "."},
}
WITH_UNIT = re.compile(
    r"[+-]?\s*[0-9][0-9.,' ]*(?:[eE][+-]?[0-9]+)?\s*(?P<unit>[^\W\d_°]{1,6}(?:[/·^-]?[^\W_]{1,6}){0,2}|°[^\W\d_]?)"
)
"""A number and what it counts, such as 12 kg, 3.5 km/h or 20 °C."""
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-", "–": "-"})


def read_number(text: str, style: Style, unit: str = "") -> float | None:
    """Returns the number, or None if the text is none in this style. A unit may follow the number."""
    match = _NUMBER.fullmatch(text.translate(SPACES).removesuffix(unit))
    if match is None or (match["open"] is None) != (match["close"] is None) or (match["sign"] and match["inner"]):
        return None
    digits = match["digits"].strip()
    if not any(digit.isdigit() for digit in digits) or not _FORMS[style].fullmatch(digits):
        return None
    value = float(digits.translate(_TO_PLAIN[style]))
    # Accountants put what is negative in parentheses.
    is_negative = "-" in (match["sign"], match["inner"]) or match["open"] is not None
    return -value if is_negative else value


def read_numbers(texts: Iterable[str], style: Style, unit: str = "") -> list[float | None]:
    """Returns a number or None for each text."""
    return [read_number(text, style, unit) for text in texts]


def find_unit(texts: Sequence[str]) -> str:
    """Returns the unit that follows most of the texts' numbers, if no other does; else nothing."""
    units = [match["unit"] for text in texts if (match := WITH_UNIT.fullmatch(text.translate(SPACES)))]
    return units[0] if len(set(units)) == 1 and 2 * len(units) >= len(texts) else ""
