"""The sets of small trainings, with a few rows each."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bakehouse.data.known_datasets import BUILTIN
from tests import mixed_table

ROWS = 40
"""26 of them for training, by default: two steps an epoch."""


def shrunk(names: Iterable[str], folder: Path) -> Path:
    """The folder, with these sets in it."""
    for name in names:
        if name == mixed_table.NAME:
            mixed_table.write(folder / name, mixed_table.values(ROWS))
        else:
            (folder / name).mkdir()
            shrink(BUILTIN / name, folder / name)
    return folder


def shrink(whole: Path, small: Path) -> None:
    """Rows at equal distances, so that all classes are there."""
    card = json.loads((whole / "card.json").read_text())
    for path in whole.glob("*.npy"):
        rows = np.load(path)
        np.save(small / path.name, rows[np.linspace(0, len(rows) - 1, ROWS).astype(int)])
    if card["class_counts"]:
        card["class_counts"] = np.bincount(np.load(small / "y.npy"), minlength=len(card["classes"])).tolist()
    (small / "card.json").write_text(json.dumps({**card, "counts": {"train": ROWS}}))
