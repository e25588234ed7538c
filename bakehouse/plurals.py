"""Writes numbers with their nouns, and long lists. Every message whose number may be 1 or large uses them."""

from collections.abc import Sequence


def count_of(number: int, noun: str) -> str:
    """Returns `1 row`, `3 rows`, `1,200 classes` and so on."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def listed(items: Sequence[str], most: int = 10) -> str:
    """Returns the first items of a list as text, and how many there are besides."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")
