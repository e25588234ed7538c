"""Writes numbers with their nouns, ranges of time, and long lists. Every message whose number may be 1 or large uses
them."""

from collections.abc import Sequence

SHORTEST_SHOWN = 0.5
DAY = 86_400
# Below each limit, seconds are shown as whole numbers of this size.
UNITS = ((100, 1, "s"), (180 * 60, 60, "min"), (2 * DAY, 3600, "h"))


def count_of(number: int, noun: str) -> str:
    """Returns `1 row`, `3 rows`, `1,200 classes` and so on."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def listed(items: Sequence[str], most: int = 10) -> str:
    """Returns the first items of a list as text, and how many there are besides."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def range_text(low: float, high: float) -> str:
    """Returns `12 to 19 min`, `40 s to 3 min` or `about 5 s`; a range that begins at half a second is `up to 3 s`."""
    first, unit = rounded(low)
    last, unit_of_last = rounded(high)
    if low < SHORTEST_SHOWN:
        return f"up to {last} {unit_of_last}"
    if (first, unit) == (last, unit_of_last):
        return f"about {last} {unit_of_last}"
    return f"{first} to {last} {unit_of_last}" if unit == unit_of_last else f"{first} {unit} to {last} {unit_of_last}"


def rounded(seconds: float) -> tuple[int, str]:
    """Returns a whole number, at least 1, and its unit."""
    for limit, size, unit in UNITS:
        if seconds < limit:
            return max(1, round(seconds / size)), unit
    return max(1, round(seconds / DAY)), "days"
