"""Finds the inputs and targets of each split among the names that people give to arrays."""

import re
from collections import defaultdict
from collections.abc import Iterable

from bakehouse.data.errors import UnusableSource
from bakehouse.data.split_names import SPLIT_NAMES, find_suffix

INPUTS = ("x", "data", "images", "image", "inputs", "input", "features", "arr_0")
TARGETS = ("y", "labels", "label", "targets", "target", "classes", "arr_1")
ROLES = {**dict.fromkeys(INPUTS, "x"), **dict.fromkeys(TARGETS, "y")}
SPLITS = "|".join(SPLIT_NAMES)
LAST = re.compile(rf"({'|'.join(ROLES)})[_.\- ]?({SPLITS})", re.IGNORECASE)
FIRST = re.compile(rf"({SPLITS})[_.\- ]?({'|'.join(ROLES)})", re.IGNORECASE)
FURTHER = re.compile(rf"(y_.+)_({SPLITS})", re.IGNORECASE)
NUMBERED = re.compile(r"arr_\d+")
READ_NAMES = (
    f"inputs are read from {', '.join(INPUTS)}, targets from {', '.join(TARGETS)}, and splits from such names with "
    f"{', '.join(SPLIT_NAMES)} before or after them, as in x_test or val_images"
)

LONE_ARRAY = (
    "a .npy file has one array, but a data set needs inputs and targets: save both in one file, as "
    "np.savez('name.npz', x=..., y=...), or put x.npy and y.npy into a folder"
)


def find_arrays(names: Iterable[str]) -> dict[str, str]:
    """Returns the name of each array in the file by what it is: `x`, `y_test`, and so on; other arrays keep theirs.

    Raises UnusableSource if two arrays could be the same thing.
    """
    candidates: dict[str, list[str]] = defaultdict(list)
    listed = list(names)
    for name in listed:
        candidates[find_meaning(name)].append(name)
    # The arrays that np.savez numbers are inputs and targets only if there are two.
    if len([name for name in listed if NUMBERED.fullmatch(name)]) > 2:
        raise UnusableSource(f"its arrays have only numbers; save them with names: {READ_NAMES}")
    return {meaning: _choose(meaning, each) for meaning, each in candidates.items()}


def _choose(meaning: str, names: list[str]) -> str:
    if meaning in names:
        return meaning
    if len(names) > 1:
        raise UnusableSource(f"{' and '.join(sorted(names))} could both be {meaning}: call one of them {meaning}")
    return names[0]


def find_meaning(name: str) -> str:
    """Returns what the name means, such as `y_test` for `test_labels`; a name that means nothing, as it is."""
    lower = name.lower()
    if lower in ROLES:
        return ROLES[lower]
    if match := LAST.fullmatch(name):
        return f"{ROLES[match[1].lower()]}{find_suffix(match[2])}"
    if match := FIRST.fullmatch(name):
        return f"{ROLES[match[2].lower()]}{find_suffix(match[1])}"
    if match := FURTHER.fullmatch(name):
        return f"y{match[1][1:]}{find_suffix(match[2])}"
    return name
