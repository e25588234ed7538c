"""`bakehouse split`: which rows of the user's file a run trains, validates and tests on."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import typer

from bakehouse.cli.formats import sanitize
from bakehouse.cli.output import print_json
from bakehouse.client import Client, ClientRun
from bakehouse.runs.split import RunSplit

SUFFIXES = (".json", ".npz")
MAX_CHARACTERS = 60


def show_split(run_id: str, output: Path | None, *, as_json: bool, fields: str | None) -> None:
    """Prints or saves the rows of each split."""
    if output is not None and output.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{output} should end in .json or .npz", param_hint="--output")
    with Client() as client:
        run = client.run(run_id)
        if output is not None:
            save_split(run, output)
            print(output)
        elif as_json or fields is not None:
            print_json(run.split().model_dump(mode="json"), fields)
        else:
            print(split_text(run.split()))


def save_split(run: ClientRun, file: Path) -> None:
    """Saves the rows as JSON, or as arrays for `numpy.load`."""
    if file.suffix == ".npz":
        file.write_bytes(run.split_npz())
    else:
        file.write_text(run.split().model_dump_json() + "\n", encoding="utf-8")


def split_text(split: RunSplit) -> str:
    """Returns a line for each split with the number of its rows and the first row numbers."""
    lines = [f"{'SPLIT':<10}  {'ROWS':>9}  ROW NUMBERS"]
    for name in ("train", "validation", "test"):
        part = getattr(split, name)
        lines.append(f"{name:<10}  {part.count:>9,}  of {sanitize(part.source)}: {shorten(part.rows)}")
    bootstrap = ["The run draws its training rows from these with replacement (bootstrap)."] if split.bootstrap else []
    fold = [] if split.folds is None else [f"The run validates on fold {split.fold} of 0 to {split.folds - 1}."]
    return "\n".join([*lines, "", f"{split.row_number} Numbers are counted from 0.", *fold, *bootstrap])


def shorten(rows: Sequence[int]) -> str:
    """Returns the row numbers as ranges, such as 0-3 5 7-9, as far as they fit into a line."""
    text = ""
    for part in ranges(rows):
        if len(text) + len(part) > MAX_CHARACTERS:
            return f"{text}..."
        text += f"{part} "
    return text.strip()


def ranges(rows: Sequence[int]) -> Iterator[str]:
    """Yields consecutive numbers as one text."""
    # In a run of consecutive numbers, number minus position stays the same.
    for _, group in groupby(enumerate(rows), key=lambda pair: pair[1] - pair[0]):
        numbers = [row for _, row in group]
        yield str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
