"""Reads rows of the user's files as Bakehouse does. `bakehouse code --evaluate` prints this source, so it imports
nothing from Bakehouse."""

import atexit
import csv
import gzip
import io
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import duckdb
import numpy as np
from PIL import Image, ImageOps

from bakehouse.data.readers.typed_cells import quote_name, step_columns, steps_in_sql, table_in_sql, texts_in_sql
from worker.evaluation.standalone.labels import Array, Target, encode_cells, encode_labels, stack_labels
from worker.evaluation.standalone.rows import Column, encode_cell, encode_row

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
IDX_PREFIX = {"train": "train", "test": "t10k"}
CIFAR = {
    "cifar-10": ("cifar-10-batches-bin", [f"data_batch_{number}.bin" for number in range(1, 6)], "test_batch.bin", 1),
    "cifar-100": ("cifar-100-binary", ["train.bin"], "test.bin", 2),
}


def data_path(default: str) -> Path:
    """Returns the path that the command line gives, or the default."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    if not path.exists():
        raise SystemExit(f"there is no {path}: give the path of your data as the argument")
    return path


def unpack(path: Path) -> Path:
    """Returns the folder or the only file in an archive, which is unpacked into a temporary folder, or in a folder. Any
    other file is returned as it is."""
    if path.is_dir():
        return find_contents(path)
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)  # noqa: S202
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
    else:
        return path
    return find_contents(folder)


def find_contents(folder: Path) -> Path:
    """Returns what an archive or a folder is about: of a folder alone in a folder, the inner one."""
    entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX", "Thumbs.db"))]
    if len(entries) != 1:
        return folder
    return find_contents(entries[0]) if entries[0].is_dir() else entries[0]


def check_count(path: Path, found: int, expected: int) -> None:
    """Ends the script if the data cannot be those of the run."""
    if found != expected:
        raise SystemExit(f"{path} has {found:,} rows, but the run was trained on a file with {expected:,}")


@dataclass(frozen=True)
class TextForm:
    """How a table is written as text."""

    encoding: str
    delimiter: str
    quote: str | None
    escape: str | None
    start: int
    """The number of lines before the table."""
    skipped: int
    """The number of records before the first row, the header among them."""
    names: tuple[str | None, ...]
    """The name of each cell's column; None for a column that is left out."""


@dataclass(frozen=True)
class StepRows:
    """How the rows of a long table make sequences."""

    id: str
    """The column whose value the rows of a sequence have in common."""
    id_column: Column | None
    """How its cells become numbers; None if they are texts."""
    order: str | None
    """The column that orders the steps; None if they are in order."""
    order_column: Column | None
    padding: str
    """What follows the last step of a sequence, `nan` or `inf`."""


def read_csv(
    path: Path,
    rows: Array,
    count: int,
    form: TextForm,
    inputs: Mapping[str, Column],
    targets: Sequence[Target],
    dtype: str,
    steps: StepRows | None = None,
) -> tuple[Array, Array]:
    """Reads rows of a table of text."""
    table = [dict(zip(form.names, cells, strict=True)) for cells in read_cells(path, form)]
    check_count(path, len(table), count)
    return encode_table(table, rows, inputs, targets, dtype, steps)


def read_typed(
    path: Path,
    rows: Array,
    count: int,
    kind: str,
    inputs: Mapping[str, Column],
    targets: Sequence[Target],
    dtype: str,
    steps: StepRows | None = None,
) -> tuple[Array, Array]:
    """Reads rows of a Parquet file, or of JSON with an object for each row."""
    duckdb.execute("SET TimeZone = 'UTC'")
    source = table_in_sql(str(path), kind)
    types = find_types(source)
    cells = duckdb.execute(f"SELECT {', '.join(texts_in_sql(types))} FROM {source}").fetchall()  # noqa: S608
    check_count(path, len(cells), count)
    return encode_table([dict(zip(types, row, strict=True)) for row in cells], rows, inputs, targets, dtype, steps)


def find_types(source: str) -> dict[str, str]:
    """Returns the types of the columns by their names."""
    described = duckdb.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608
    return {str(name): str(type_) for name, type_, *_ in described}


def read_sequences(
    path: Path, rows: Array, count: int, kind: str, name: str, targets: Sequence[Target], dtype: str
) -> tuple[Array, Array]:
    """Reads sequences of a Parquet file, or of JSON with an object for each row; `name` is the column of the target."""
    source = table_in_sql(str(path), kind)
    types = find_types(source)
    columns = [quote_name(name), *(steps_in_sql(each, types[each]) for each in step_columns(types))]
    found = duckdb.execute(f"SELECT {', '.join(columns)} FROM {source}").fetchall()  # noqa: S608
    check_count(path, len(found), count)
    chosen = [found[row] for row in rows]
    parts = [[np.array(each, np.float64).reshape(len(each), -1) for each in lists] for _, *lists in chosen]
    x = pad([np.concatenate(each, axis=1) for each in parts])
    return x.astype(dtype), encode_labels((label for label, *_ in chosen), targets[0])


def pad(sequences: Sequence[Array], padding: str = "nan") -> Array:
    """Returns sequences of any lengths as one array, where steps of padding follow the last one of each."""
    longest = max(map(len, sequences))
    padded = np.full((len(sequences), longest, sequences[0].shape[1]), float(padding))
    for row, steps in zip(padded, sequences, strict=True):
        row[: len(steps)] = steps
    return padded


def encode_table(
    table: Sequence[Mapping[str | None, str]],
    rows: Array,
    inputs: Mapping[str, Column],
    targets: Sequence[Target],
    dtype: str,
    steps: StepRows | None,
) -> tuple[Array, Array]:
    """Returns the inputs and the labels of rows, which are given by the names of their columns, or of the sequences
    that they make."""
    missing = {*inputs, *(target.name for target in targets)} - set(table[0])
    if missing:
        raise SystemExit(f"the data have no column {', '.join(sorted(missing))}")
    x = np.array([encode_row(table[row], inputs) for row in rows], np.float64)
    labels = [encode_cells((table[row][target.name] for row in rows), target) for target in targets]
    y = stack_labels(labels)
    if steps is None:
        return x.astype(dtype), y
    places = group_rows([table[row] for row in rows], steps)
    return pad([x[each] for each in places], steps.padding).astype(dtype), y[[each[0] for each in places]]


def group_rows(rows: Sequence[Mapping[str | None, str]], steps: StepRows) -> list[list[int]]:
    """Returns the places of the rows of each sequence, in the order of its steps."""
    groups: dict[float | str, list[int]] = {}
    for place, row in enumerate(rows):
        name = row[steps.id] if steps.id_column is None else encode_cell(row[steps.id], steps.id_column)
        groups.setdefault(name, []).append(place)
    if steps.order is None or steps.order_column is None:
        return list(groups.values())
    order = [encode_cell(row[steps.order], steps.order_column) for row in rows]
    return [sorted(places, key=order.__getitem__) for places in groups.values()]


def read_cells(path: Path, form: TextForm) -> Iterator[list[str]]:
    """Yields the cells of each row; rows of nothing but separators and comments do not count."""
    width = len(form.names)
    for number, cells in enumerate(read_records(path, form)):
        if number < form.skipped or (cells[0].startswith("#") and len(cells) != width):
            continue
        yield cells[:width]


def read_records(path: Path, form: TextForm) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 20)
    with open_table(path, form.encoding) as text:
        # DOS ends a text with this character.
        lines = (line.rstrip("\x1a") for line in islice(text, form.start, None))
        # With a space, any number of spaces separates two cells.
        spaced = (line.rstrip(" \r\n") + "\n" for line in lines) if form.delimiter == " " else lines
        reader = csv.reader(
            spaced,
            delimiter=form.delimiter,
            quotechar=form.quote,
            quoting=csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL,
            escapechar=form.escape,
            doublequote=form.escape is None,
            skipinitialspace=True,
        )
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield cells


@contextmanager
def open_table(path: Path, encoding: str) -> Iterator[TextIO]:
    """Opens a table, which may be compressed as `.gz` or be the only table in a `.zip`."""
    match path.suffix.lower():
        case ".gz":
            with gzip.open(path) as packed:
                yield io.TextIOWrapper(packed, encoding=encoding, newline="")
        case ".zip":
            with zipfile.ZipFile(path) as archive:
                [name] = [name for name in archive.namelist() if is_table(Path(name))]
                yield io.TextIOWrapper(archive.open(name), encoding=encoding, newline="")
        case _:
            with path.open(encoding=encoding, newline="") as text:
                yield text


def is_table(path: Path) -> bool:
    """Whether a member of an archive is a table, and none of the files that macOS adds."""
    is_hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not is_hidden and path.suffix.lower() in (".csv", ".tsv", ".txt", ".data")


def read_npz(
    path: Path,
    rows: Array,
    count: int,
    names: Sequence[str],
    shape: Sequence[int],
    targets: Sequence[Target],
    dtype: str,
) -> tuple[Array, Array]:
    """Reads rows of the inputs and of the targets, whose arrays have these names; pictures get their channels first."""
    x, *labels = (read_array(path, name) for name in names)
    check_count(path, len(x), count)
    if x.ndim == 4 and x.shape[1:] != shape:
        x = x.transpose(0, 3, 1, 2)
    encoded = [encode_labels(flatten(values)[rows], target) for values, target in zip(labels, targets, strict=True)]
    return np.ascontiguousarray(x[rows]).reshape(-1, *shape).astype(dtype), stack_labels(encoded)


def read_array(path: Path, name: str) -> Array:
    """Reads an array of an `.npz` file, or of a folder of `.npy` files."""
    if path.is_dir():
        array: Array = np.load(path / f"{name}.npy")
        return array
    with np.load(path) as file:
        return np.asarray(file[name])


def flatten(labels: Array) -> Array:
    """Returns one label a row; of a one-hot row, the place of its 1."""
    return labels.reshape(-1) if labels.size == len(labels) else labels.argmax(axis=1)


def read_npy(folder: Path, rows: Array, count: int, names: Sequence[str]) -> tuple[Array, Array]:
    """Reads rows of the arrays of a set that comes with Bakehouse."""
    x = np.load(folder / "x.npy")
    check_count(folder, len(x), count)
    return x[rows], stack_labels([np.load(folder / f"{name}.npy")[rows] for name in names])


def read_pictures(
    folder: Path,
    pictures: Sequence[tuple[str, str]],
    shape: tuple[int, int, int],
    target: Target,
    short: int | None = None,
) -> tuple[Array, Array]:
    """Reads pictures, which are given as pairs of a path and a label."""
    x = np.ascontiguousarray([read_picture(folder / path, shape, short) for path, _ in pictures])
    return x, encode_labels((label for _, label in pictures), target)


def read_picture(path: Path, shape: tuple[int, int, int], short: int | None) -> Array:
    """Decodes a picture upright, in grey or in RGB, at the size of the model's inputs, with the channels first. With
    `short`, it is scaled until its shorter side has as many pixels, and cut to the centre."""
    channels, height, width = shape
    image: Image.Image
    with Image.open(path, formats=FORMATS) as image:
        # A JPEG of many times the size is decoded at a half, a quarter or an eighth of it.
        if short is None:
            image.draft(image.mode, (2 * max(height, width), 2 * max(height, width)))
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits; `convert` would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image.convert("RGBA"))
        image = image.convert("L" if channels == 1 else "RGB")
        if short is not None:
            scaled = [side * short // min(image.size) for side in image.size]
            if image.size != (scaled[0], scaled[1]):
                image = image.resize((scaled[0], scaled[1]), Image.Resampling.BILINEAR)
            left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
            image = image.crop((left, top, left + width, top + height))
        elif image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)


def read_idx(
    folder: Path, rows: Array, count: int, split: str, shape: tuple[int, int, int], target: Target
) -> tuple[Array, Array]:
    """Reads pictures of the gzipped files of MNIST."""
    prefix = IDX_PREFIX[split]
    with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, *shape)
    with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    check_count(folder, len(x), count)
    return x[rows], encode_labels(labels[rows], target)


def read_cifar(folder: Path, rows: Array, count: int, split: str, target: Target) -> tuple[Array, Array]:
    """Reads pictures of the binary files of CIFAR-10 or CIFAR-100, from the archive or unpacked."""
    for name, (inner, train, test, labels) in CIFAR.items():
        files = [test] if split == "test" else train
        for place in (folder, folder / inner):
            if (place / files[0]).exists():
                content = b"".join((place / file).read_bytes() for file in files)
                return cut_cifar(content, rows, count, labels, folder, target)
        archive = folder / f"{name}-binary.tar.gz"
        if archive.exists():
            content = b"".join(read_archive(archive, files))
            return cut_cifar(content, rows, count, labels, folder, target)
    raise SystemExit(f"{folder} has none of the binary files of CIFAR")


def read_archive(archive: Path, files: Sequence[str]) -> Iterator[bytes]:
    """Yields the contents of these files, in this order."""
    with tarfile.open(archive) as tar:
        members = {Path(member.name).name: member for member in tar.getmembers()}
        for file in files:
            yield (tar.extractfile(members[file]) or io.BytesIO()).read()


def cut_cifar(
    content: bytes, rows: Array, count: int, labels: int, folder: Path, target: Target
) -> tuple[Array, Array]:
    """Divides the bytes into labels and pictures."""
    table = np.frombuffer(content, np.uint8).reshape(-1, labels + 3 * 32 * 32)
    check_count(folder, len(table), count)
    return table[rows, labels:].reshape(-1, 3, 32, 32), encode_labels(table[rows, labels - 1], target)
