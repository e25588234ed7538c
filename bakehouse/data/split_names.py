"""The words by which files and folders name the splits of a data set."""

SPLIT_NAMES = {
    "train": "",
    "training": "",
    "validation": "_validation",
    "valid": "_validation",
    "val": "_validation",
    "dev": "_validation",
    "test": "_test",
    "testing": "_test",
}
"""For each word, the suffix of the split's arrays, as in `x_test`."""


def find_suffix(name: str) -> str | None:
    """Returns the suffix of the split that a name means, in upper or lower case; None if it means none."""
    return SPLIT_NAMES.get(name.lower())
