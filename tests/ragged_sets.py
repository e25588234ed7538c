"""Ragged sequences as users have them: JSON lines, and a long table with a row for each step."""

import json
from pathlib import Path

import numpy as np

from bakehouse.data.packing import pack

ROWS = 120
LONGEST = 9


def draw_sequences() -> list[tuple[list[list[float]], str]]:
    """Steps of two numbers, the second of which is high in one class; the last steps tell the classes best."""
    rng = np.random.default_rng(0)
    sequences = []
    for row in range(ROWS):
        steps = rng.normal(5, 1, size=(1 + row % LONGEST, 2))
        steps[-1, 1] += 4 * (-1) ** (row % 2)
        sequences.append((steps.round(3).tolist(), ("high", "low")[row % 2]))
    return sequences


def write_lines(path: Path) -> None:
    """Writes JSON lines."""
    lines = [json.dumps({"steps": steps, "label": label}) for steps, label in draw_sequences()]
    path.write_text("\n".join(lines))


def write_long_table(path: Path, *, last_label: str | None = None, last_time: int | None = None) -> None:
    """Writes the same as a long table, in which the steps of each sequence are in reverse."""
    rows = [
        [f"patient {number:03}", place, *step, label]
        for number, (steps, label) in enumerate(draw_sequences())
        for place, step in reversed(list(enumerate(steps)))
    ]
    rows[-1][-1] = last_label or rows[-1][-1]
    rows[-1][1] = rows[-1][1] if last_time is None else last_time
    lines = ["patient,time,pulse,pressure,label", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))


def pack_lines(folder: Path) -> Path:
    """Packs JSON lines; returns the folder."""
    write_lines(folder / "lines.jsonl")
    pack("lines", folder / "lines.jsonl", folder / "packed_lines")
    return folder / "packed_lines"


def pack_long_table(folder: Path, *, last_label: str | None = None, last_time: int | None = None) -> Path:
    """Packs a long table; returns the folder."""
    write_long_table(folder / "visits.csv", last_label=last_label, last_time=last_time)
    pack("visits", folder / "visits.csv", folder / "packed_visits")
    return folder / "packed_visits"


def write_mixed_table(path: Path) -> None:
    """Writes the long table with a category, a date and empty cells in its steps; some steps have nothing else."""
    wards = ["north", "south", "", "east"]
    lines = []
    for number, (steps, label) in enumerate(draw_sequences()):
        for place, (pulse, pressure) in enumerate(steps):
            row = 7 * number + place
            is_blank = row % 11 == 0
            day = f"2024-{1 + row % 12:02}-{1 + row % 28:02}"
            cells = ["" if is_blank or row % 5 == 0 else pulse, pressure, wards[row % 4], day]
            values = ["", "", "", ""] if is_blank and place < len(steps) - 1 else cells
            lines.append(",".join(map(str, [f"patient {number:03}", place, *values, label])))
    path.write_text("\n".join(["patient,time,pulse,pressure,ward,seen,label", *lines]))


def pack_mixed_table(folder: Path) -> Path:
    """Packs that table; returns the folder."""
    write_mixed_table(folder / "mixed.csv")
    pack("mixed", folder / "mixed.csv", folder / "packed_mixed")
    return folder / "packed_mixed"
