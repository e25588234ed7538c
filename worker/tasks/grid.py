"""Puts small pictures of equal size into a grid."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from bakehouse.model import JsonObject
from worker.tasks.cells import Pixels

GAP = 4
GAP_AFTER_ORIGINALS = 16
# Neither the black nor the white edge of an image disappears in it.
BACKGROUND = 128


@dataclass(frozen=True)
class Grid:
    """A picture as PNG, and the places of its cells by their field names in `PreviewDescription`."""

    png: bytes
    layout: JsonObject


def draw_grid(rows: list[list[Pixels]], *, gap_after_first: int = GAP_AFTER_ORIGINALS) -> Grid:
    """Puts the cells into a grid, by default with a wider gap after the first column."""
    cell_height, cell_width, _ = rows[0][0].shape
    lefts = tuple(
        GAP + index * (cell_width + GAP) + (gap_after_first - GAP) * (index > 0) for index in range(len(rows[0]))
    )
    tops = tuple(GAP + index * (cell_height + GAP) for index in range(len(rows)))
    height = tops[-1] + cell_height + GAP
    width = lefts[-1] + cell_width + GAP
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    for top, row in zip(tops, rows, strict=True):
        for left, cell in zip(lefts, row, strict=True):
            canvas[top : top + cell_height, left : left + cell_width] = cell
    file = BytesIO()
    # A higher level takes three times as long, and makes the file a tenth smaller.
    Image.fromarray(canvas).save(file, "PNG", compress_level=3)
    layout: JsonObject = {
        "width": width,
        "height": height,
        "cell_width": cell_width,
        "cell_height": cell_height,
        "lefts": lefts,
        "tops": tops,
    }
    return Grid(file.getvalue(), layout)
