"""Writes a number with its noun. Every message whose number may be 1 uses it."""


def count_of(number: int, noun: str) -> str:
    """Returns `1 row`, `3 rows`, `1,200 classes` and so on."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
