"""Packs the files of the tests of findings."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bakehouse.data.packing import pack
from bakehouse.plan.card import DatasetCard, Finding


def pack_csv(folder: Path, **columns: Iterable[object]) -> DatasetCard:
    """Packs a table; None is an empty cell."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in [tuple(columns), *rows]]
    (folder / "set.csv").write_text("\n".join(lines) + "\n")
    return pack("set", folder / "set.csv", folder / "packed")


def pack_npz(folder: Path, **arrays: Any) -> DatasetCard:
    """Packs arrays."""
    np.savez(folder / "set.npz", **arrays)
    return pack("set", folder / "set.npz", folder / "packed")


def codes(card: DatasetCard) -> list[str]:
    """The codes of all findings."""
    return [finding.code for finding in card.findings]


def the(card: DatasetCard, code: str) -> Finding:
    """The only finding of a code."""
    [finding] = [finding for finding in card.findings if finding.code == code]
    return finding


def noise(rows: int, *shape: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Numbers of which no two are equal."""
    return np.random.default_rng(0).normal(size=(rows, *shape))
