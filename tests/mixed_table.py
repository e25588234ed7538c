"""A packed table of a column of each kind, with empty cells, made without the reader."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.group_sizes import with_group_sizes
from bakehouse.plan.card import Column, DatasetCard, SplitCounts

ROWS = 120
NAME = "journeys"
CITIES = tuple(f"city {number:02}" for number in range(40))
FARES = ("first", "second", "third")


def values(rows: int = ROWS) -> NDArray[np.float64]:
    """Columns: age (a number with gaps), dogs (whole numbers), night (a boolean with gaps), fare (a category with
    gaps), city (40 classes), left (a date with times and gaps), name (text), late (the target with two classes)."""
    rng = np.random.default_rng(0)
    age, dogs = rng.normal(40, 15, rows).round(1), rng.integers(0, 4, rows)
    night, fare, city = rng.integers(0, 2, rows), rng.integers(0, 3, rows), rng.integers(0, 40, rows)
    left = 1.7e9 + rng.uniform(0, 3e7, rows).round()
    late = (night + (fare == 2) + rng.normal(0, 0.3, rows) > 0.8).astype(float)
    table = np.stack([age, dogs, night, fare, city, left, np.arange(rows), late], 1).astype(np.float64)
    for column, share in ((0, 0.2), (2, 0.1), (3, 0.15), (5, 0.1)):
        table[rng.random(rows) < share, column] = np.nan
    return table


def columns(table: NDArray[np.float64]) -> tuple[Column, ...]:
    """What the card says about them."""
    return (
        number("age", table[:, 0]),
        number("dogs", table[:, 1], whole=True, classes=("0", "1", "2", "3")),
        texts("night", table[:, 2], ("no", "yes")).model_copy(update={"kind": "boolean"}),
        texts("fare", table[:, 3], FARES),
        texts("city", table[:, 4], CITIES),
        number("left", table[:, 5], kind="date", dtype="float64", has_times=True, form="year first"),
        Column(name="name", kind="text"),
        texts("late", table[:, 7], ("no", "yes")).model_copy(update={"kind": "boolean"}),
    )


def number(name: str, cells: NDArray[np.float64], **facts: Any) -> Column:
    return Column(
        name=name,
        minimum=float(np.nanmin(cells)),
        maximum=float(np.nanmax(cells)),
        mean=float(np.nanmean(cells)),
        missing=int(np.isnan(cells).sum()),
        **{"kind": "number", **facts},
    )


def texts(name: str, cells: NDArray[np.float64], classes: tuple[str, ...]) -> Column:
    counts = np.bincount(cells[~np.isnan(cells)].astype(int), minlength=len(classes))
    return Column(
        name=name,
        kind="category",
        classes=classes,
        class_counts=tuple(counts.tolist()),
        missing=int(np.isnan(cells).sum()),
    )


def card(table: NDArray[np.float64] | None = None) -> DatasetCard:
    """The card of the table."""
    table = values() if table is None else table
    return DatasetCard(
        id=NAME,
        origin="file journeys.csv",
        fingerprint="sha256:0",
        kind="table",
        shape=(table.shape[1] - 1,),
        dtype="float64",
        format="csv",
        counts=SplitCounts(train=len(table)),
        columns=with_group_sizes(columns(table), table),
        minimum=0,
        maximum=2e9,
    )


def write(folder: Path, table: NDArray[np.float64] | None = None) -> Path:
    """Writes the folder as packing does."""
    table = values() if table is None else table
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "table.npy", table)
    (folder / "card.json").write_text(card(table).model_dump_json())
    return folder
