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
MAGNITUDES = frozenset(("k", "m", "b", "g", "t", "bn", "mn", "mio", "mrd", "tsd"))
"""Units, in lower case, that may multiply the number: 12k is not 12."""
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-", "–": "-"})


def read_number(text: str, style: Style, unit: str = "") -> float | None:
    """Returns the number, or None if the text is none in this style. A unit may follow the number; a magnitude must."""
    plain = text.translate(SPACES)
    if unit.lower() in MAGNITUDES and not plain.endswith(unit):
        return None
    match = _NUMBER.fullmatch(plain.removesuffix(unit))
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
    """Returns the unit that follows every number among the texts, if it is the same; else nothing: a plain 500 is not
    more than 10k."""
    units = {unit_of(text) for text in texts} - {None}
    (unit,) = units if len(units) == 1 else ("",)
    return unit or ""


def unit_of(text: str) -> str | None:
    """Returns the unit that follows a number, perhaps an empty one, or None if the text is no number."""
    match = WITH_UNIT.fullmatch(text.translate(SPACES))
    if match is not None:
        return match["unit"]
    return "" if any(read_number(text, style) is not None for style in _FORMS) else None
