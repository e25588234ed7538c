"""Reads samples of a data set: rows of tables and sequences as the user's numbers and texts, and pictures as a grid."""

import base64
from math import ceil, isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bakehouse.data.catalog import Catalog
from bakehouse.data.parsed import parts_of
from bakehouse.data.readers.written_dates import write_date
from bakehouse.model import JsonObject
from bakehouse.plan.card import Column, DatasetCard
from bakehouse.plurals import count_of
from bakehouse.settings import Settings
from bakehouse.tasks.samples import MAX_NUMBERS, Cell, DatasetSamples, SamplesRequest
from worker.tasks.cells import image_cells
from worker.tasks.grid import BACKGROUND, GAP, Grid, draw_grid
from worker.tasks.packed_sets import find_packed

Array = NDArray[Any]


def samples(settings: Settings, document: JsonObject) -> bytes:
    """Returns the samples as JSON."""
    request = SamplesRequest.model_validate(document)
    folder, card = find_packed(Catalog(settings), request.dataset, request.fingerprint)
    return read_samples(folder, card, request).model_dump_json().encode()


def read_samples(folder: Path, card: DatasetCard, request: SamplesRequest) -> DatasetSamples:
    """Reads rows of a packed data set; only their pages are read from the disk."""
    count = getattr(card.counts, request.split)
    limit = request.limit if card.kind == "image" else min(request.limit, max(1, MAX_NUMBERS // card.features))
    rows = draw_rows(count, limit, request.seed)
    noun = "row" if card.kind == "table" else card.kind
    text = f"{count_of(len(rows), noun)} of {count:,} of the {request.split} split of {request.dataset}."
    found = DatasetSamples(dataset=request.dataset, split=request.split, rows=tuple(rows), text=text)
    if card.columns is not None:
        parts = parts_of(np.load(folder / "table.npy", mmap_mode="r"), card.counts)
        table = parts["" if request.split == "train" else f"_{request.split}"][rows]
        columns = [decode(column, table[:, index]) for index, column in enumerate(card.columns)]
        names = tuple(column.name for column in card.columns)
        return found.model_copy(update={"columns": names, "values": tuple(zip(*columns, strict=True))})
    suffix = "" if request.split == "train" else f"_{request.split}"
    inputs = np.load(folder / f"x{suffix}.npy", mmap_mode="r")[rows]
    labels = name_labels(np.load(folder / f"y{suffix}.npy", mmap_mode="r")[rows], card)
    if card.kind != "image":
        values = map(without_padding, inputs) if card.lengths is not None else inputs
        return found.model_copy(update={"labels": labels, "values": tuple(map(as_tuples, values))})
    grid = draw_images(inputs, card)
    shown = ", ".join(label or "no label" for label in labels)
    described = {"labels": labels, "png": base64.b64encode(grid.png).decode(), "text": f"{text} Labels: {shown}."}
    size = {name: grid.layout[name] for name in ("width", "height")}
    return found.model_copy(update={**described, **size})


def draw_rows(count: int, limit: int, seed: int) -> list[int]:
    """Returns the first different row numbers of a stream, whose beginning is the same for every limit."""
    stream = np.random.Philox(seed)
    found: dict[int, None] = {}
    while len(found) < min(limit, count):
        found[int(stream.random_raw()) % count] = None
    return list(found)


def decode(column: Column, values: Array) -> tuple[Cell, ...]:
    """Returns the cells of a column as numbers, as dates, or as the texts of the file."""
    return tuple(None if isnan(value) else decode_cell(column, value) for value in values.tolist())


def decode_cell(column: Column, value: float) -> Cell:
    if column.kind == "date":
        return write_date(value)
    if column.has_numbers:
        return value
    return None if column.classes is None else column.classes[int(value)]


def name_labels(labels: Array, card: DatasetCard) -> tuple[str | None, ...]:
    """Returns the class or the number of each label."""
    if card.classes is None:
        return tuple(None if isnan(value) else f"{value:g}" for value in labels.tolist())
    return tuple(card.classes[value] if value >= 0 else None for value in labels.tolist())


def as_tuples(inputs: Array) -> tuple[tuple[Cell | tuple[Cell, ...], ...], ...]:
    """Returns the numbers of rows or of steps, null where one is missing."""
    if inputs.ndim == 1:
        return tuple(None if isnan(value) else value for value in inputs.tolist())  # type: ignore[misc]
    return tuple(as_tuples(each) for each in inputs)  # type: ignore[misc]


def without_padding(sequence: Array) -> Array:
    """Returns the steps of a ragged sequence."""
    return np.asarray(sequence[~np.isnan(sequence[:, 0])])


def draw_images(inputs: Array, card: DatasetCard) -> Grid:
    """Puts images into a grid that is nearly square."""
    cells = image_cells(torch.from_numpy(inputs.astype(np.float64)), card)
    width = ceil(sqrt(len(cells)))
    cells += [np.full_like(cells[0], BACKGROUND)] * (-len(cells) % width)
    return draw_grid([cells[start : start + width] for start in range(0, len(cells), width)], gap_after_first=GAP)
