"""`bakehouse data`: uploads, shows and deletes data sets."""

import json
import shutil
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from bakehouse.cli.formats import sanitize
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.cli.output import print_json, print_json_list
from bakehouse.cli.tables import table
from bakehouse.client import Client
from bakehouse.data.listing import DatasetListing
from bakehouse.data.readers.written_dates import write_date
from bakehouse.model import JsonObject
from bakehouse.plan.card import Column, DatasetCard
from bakehouse.plan.proposal import propose_target
from bakehouse.recipe.ingredient import DataKind
from bakehouse.tasks.sample_choices import Split
from bakehouse.tasks.samples import Cell, DatasetSamples

ARCHITECTURES: Mapping[DataKind, str] = {"image": "cnn", "sequence": "rnn", "table": "mlp"}
"""The architecture of the recipe that is shown for a data set."""
MAX_SHOWN_COLUMNS = 40
MAX_SHOWN_CLASSES = 6
STANDARD_INPUT = "-"
NO_TARGET = (
    "no column is proposed as target: a recipe has to name one in dataset.target, and may change the kinds of others "
    'to make them inputs, as in dataset.columns.kinds: {"zip": "category"}'
)


def add_dataset(source: str, name: str | None, *, detach: bool, as_json: bool, fields: str | None) -> None:
    """Uploads a file or a folder, or has the service fetch an address, and prints the data set."""
    if source == STANDARD_INPUT and name is None:
        raise typer.BadParameter("standard input has no name: add --name NAME")
    # The progress bar leaves the terminal in order.
    with file_of(source, name) as path, Client() as client, raise_on_interrupt():
        listing = client.upload(path, name=name, wait=not detach)
    if as_json or fields is not None:
        print_json(listing.model_dump(mode="json"), fields)
    elif listing.card is None:
        print(listing.id)
        print(f"  bakehouse data show {listing.id}", file=sys.stderr)
    else:
        print_dataset(listing)


@contextmanager
def file_of(source: str, name: str | None) -> Iterator[Path | str]:
    """Yields the path of a file, or of a temporary file with what standard input has; an address as it is."""
    if source != STANDARD_INPUT:
        yield source if "://" in source else Path(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        # Without an ending, the content tells the format.
        path = Path(folder) / str(name)
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


def show_dataset(name: str, *, as_json: bool, fields: str | None) -> None:
    """Prints a data set."""
    with Client() as client:
        listing = client.dataset(name)
    if as_json or fields is not None:
        print_json(listing.model_dump(mode="json"), fields)
    else:
        print_dataset(listing)


def show_samples(
    name: str, output: Path, *, limit: int, seed: int, split: Split, as_json: bool, fields: str | None
) -> None:
    """Prints rows of a data set; of images, saves a picture and prints the name of its file."""
    with Client() as client:
        samples = client.samples(name, limit=limit, seed=seed, split=split)
    if as_json or fields is not None:
        print_json(samples.model_dump(mode="json"), fields)
    elif samples.png is not None:
        output.write_bytes(b64decode(samples.png))
        print(output)
    else:
        print(samples_table(samples))


def samples_table(samples: DatasetSamples) -> str:
    """Returns the rows of a table, or one line for each sequence."""
    labels = () if samples.labels is None else ("label",)
    values = samples.values or ()
    width = min(len(values[0]), MAX_SHOWN_COLUMNS)
    names = (samples.columns or tuple(map(str, range(width))))[:width]
    rows = (
        [
            str(row),
            *([] if samples.labels is None else [shown_cell(samples.labels[place])]),
            *map(shown_cell, cells[:width]),
        ]
        for place, (row, cells) in enumerate(zip(samples.rows, values, strict=True))
    )
    return table(["row", *labels, *names], rows)


def shown_cell(cell: Cell | tuple[Cell, ...]) -> str:
    """Returns a cell, or the numbers of a step, as text."""
    if isinstance(cell, tuple):
        return " ".join(map(shown_cell, cell))
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return cell or ""


def delete_datasets(names: Sequence[str], *, as_json: bool, fields: str | None) -> None:
    """Deletes data sets, and prints which."""
    with Client() as client:
        deleted = [client.delete_dataset(name) for name in names]
    if as_json or fields is not None:
        print_json_list(deleted, fields)
        return
    for each in deleted:
        print(f"deleted {each.name}@{each.version}, {each.bytes_freed:,} bytes")


def print_dataset(listing: DatasetListing) -> None:
    """Prints what is in a data set, or why it cannot be used; on stderr, a command that trains on it."""
    print("\n".join(sanitize(line) for line in describe(listing)))
    if listing.card is not None:
        recipe = example_recipe(listing.card)
        line = NO_TARGET if recipe is None else f"next: echo '{json.dumps(recipe)}' | bakehouse run -"
        print(f"  {line}", file=sys.stderr)


def describe(listing: DatasetListing) -> Iterator[str]:
    """Yields the lines about a data set."""
    identity = f" ({listing.id})" if listing.id != listing.name else ""
    yield f"{listing.reference}{identity}: {listing.status}"
    if listing.problem is not None:
        yield f"  {listing.problem}"
    if listing.upload is not None:
        expected = "" if listing.upload.bytes is None else f" of {listing.upload.bytes:,}"
        yield f"  {listing.upload.filename or 'file'}, {listing.upload.received_bytes:,}{expected} bytes"
        if listing.upload.source is not None:
            yield f"  from {listing.upload.source}, sha256 {listing.upload.sha256 or 'not known yet'}"
    if listing.inspection is not None:
        yield f"  {listing.inspection.stage}"
    if listing.card is not None:
        yield from describe_card(listing.card)


def describe_card(card: DatasetCard) -> Iterator[str]:
    """Yields the lines about what is in a data set."""
    rows = ", ".join(f"{count:,} {split}" for split, count in card.counts if count is not None)
    yield f"  {card.kind} {'x'.join(map(str, card.shape))}, rows: {rows}"
    if card.lengths is not None:
        low, middle, high = card.lengths.minimum, card.lengths.median, card.lengths.maximum
        yield f"  ragged: {low:,} to {high:,} steps, half of the sequences at most {middle:g}"
    if card.own_sizes is not None:
        shortest, longest = card.own_sizes.shortest, card.own_sizes.longest
        yield f"  in the files, sides of {shortest:,} to {longest:,} pixels: see dataset.size"
    if card.classes is not None:
        yield f"  {len(card.classes)} classes: {shorten(card.classes)}"
    for column in (card.columns or ())[:MAX_SHOWN_COLUMNS]:
        yield f"  {describe_column(column)}"
    if card.columns is not None and len(card.columns) > MAX_SHOWN_COLUMNS:
        yield f"  and {len(card.columns) - MAX_SHOWN_COLUMNS} more columns"
    yield from (f"  {note}" for note in card.notes)
    yield from (f"  {finding.severity}: {finding.message}" for finding in card.findings)


def describe_column(column: Column) -> str:
    """Returns a line about a column of a table."""
    if column.minimum is not None:
        write = write_date if column.kind == "date" else "{:g}".format
        values = f"{write(column.minimum)} to {write(column.maximum or 0.0)}"
    else:
        values = shorten(column.classes or ())
    missing = f", {column.missing:,} missing" if column.missing else ""
    return f"{column.name}  {column.kind}  {values}{missing}"


def shorten(names: Sequence[str]) -> str:
    """Returns the first names, and the number of all if these are not all."""
    shown = ", ".join(names[:MAX_SHOWN_CLASSES])
    return shown if len(names) <= MAX_SHOWN_CLASSES else f"{shown}, ... ({len(names)})"


def example_recipe(card: DatasetCard) -> JsonObject | None:
    """Returns a short recipe that trains on a data set, with the proposed target of a table; None if no column can be
    learned from the others."""
    target = propose_target(card)
    if target is None and card.columns:
        return None
    dataset: object = card.id if target is None else {"id": card.id, "target": target}
    return {"dataset": dataset, "architecture": ARCHITECTURES[card.kind], "epochs": 20}
