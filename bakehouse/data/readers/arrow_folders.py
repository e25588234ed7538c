"""Reads folders that `save_to_disk` of Hugging Face's library `datasets` has written: Arrow files with rows, beside
JSON files that list them and say what their columns mean; for several splits, a folder of these for each.

The package pyarrow, which few users need, is imported when such a folder is read.
"""

import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import quote
from bakehouse.data.readers.picture_labels import LABELS, PicturePath, show
from bakehouse.data.source_files import exists, list_folder, open_file
from bakehouse.data.split_names import SPLIT_NAMES, find_suffix
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of

SPLITS_FILE = "dataset_dict.json"
STATE_FILE = "state.json"
INFO_FILE = "dataset_info.json"
MAX_JSON_BYTES = 16 << 20
ARROW = ".arrow"
NO_STREAM = b"ARROW1"
"""How the other of the two forms of Arrow files begins."""
LATEST: dict[tuple[int, ...], Any] = {}
"""The table of the Arrow file that was read last, by what identifies the file."""
NEEDS_PYARROW = (
    "it is a folder of Arrow files, and the package that reads them is missing: pip install 'bakehouse[huggingface]' "
    "where the workers run"
)


@dataclass(frozen=True)
class Label:
    """The label of the picture in a row."""

    path: PicturePath
    """The Arrow file, the column, and the number of the row."""
    split: str
    text: str


@dataclass(frozen=True)
class ArrowFolder:
    """The files of a folder, by the suffix of their split."""

    source: Path
    files: Mapping[str, Sequence[PicturePath]]
    features: Mapping[str, JsonObject]
    """What the library says of each column; it is empty for a column that it says nothing of."""


def holds_arrow(source: Path) -> bool:
    """Whether a folder is one that `save_to_disk` of Hugging Face's `datasets` has written, with or without splits."""
    return exists(source, SPLITS_FILE) or (exists(source, STATE_FILE) and exists(source, INFO_FILE))


def holds_pictures(source: Path) -> bool:
    """Whether such a folder has a column of pictures."""
    return bool(picture_columns(find_files(source, [])))


def find_files(source: Path, notes: list[str]) -> ArrowFolder:
    """Lists the Arrow files of each split."""
    folders = find_splits(source, notes)
    files = {split: [file for each in names for file in list_files(source, each)] for split, names in folders.items()}
    features = read_json(source, *folders[""][0], INFO_FILE).get("features") or {}
    is_known = isinstance(features, dict) and all(isinstance(each, dict) for each in features.values())
    return ArrowFolder(source, files, features if is_known else {})


def find_splits(source: Path, notes: list[str]) -> dict[str, list[PicturePath]]:
    """Returns the folders of each split by its suffix."""
    if not exists(source, SPLITS_FILE):
        return {"": [()]}
    # The names in the JSON file could lead out of the folder, so the folders themselves are listed.
    names = [
        name for name, kind in list_folder(source).items() if kind == "folder" and exists(source, name, STATE_FILE)
    ]
    if len(names) == 1:
        return {"": [(names[0],)]}
    found: dict[str, list[PicturePath]] = {}
    for name in names:
        split = find_suffix(name)
        if split is None:
            notes.append(f"the split {quote(name)} was left out: its name is none of {', '.join(SPLIT_NAMES)}")
        else:
            found.setdefault(split, []).append((name,))
    if "" not in found:
        listed = ", ".join(map(quote, names)) or "none"
        raise UnusableSource(f"it has no split to train on: its splits are {listed}; call one of them train")
    return found


def list_files(source: Path, folder: PicturePath) -> Iterator[PicturePath]:
    """Yields the Arrow files that a folder's state lists, in their order."""
    present = list_folder(source, *folder)
    listed = read_json(source, *folder, STATE_FILE).get("_data_files")
    names = [each.get("filename") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if not names:
        raise UnusableSource(f"{show((*folder, STATE_FILE))} lists no Arrow files")
    for name in names:
        if name not in present:
            raise UnusableSource(f"{show((*folder, str(name)))} is missing, which {STATE_FILE} lists")
        yield (*folder, name)


def read_json(source: Path, *path: str) -> JsonObject:
    """Reads a JSON object."""
    with open_file(source, *path) as file:
        text = file.read(MAX_JSON_BYTES)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableSource(f"{show(path)} is not JSON", file=show(path)) from error
    if not isinstance(document, dict):
        raise UnusableSource(f"{show(path)} should hold a JSON object", file=show(path))
    return document


# Arrow files


def import_pyarrow() -> Any:
    """Returns the module, which has no types. Raises UnusableSource if it is not installed."""
    try:
        importlib.import_module("pyarrow.ipc")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise UnusableSource(NEEDS_PYARROW) from error


def read_file(source: Path, path: PicturePath) -> Any:
    """Returns the table of an Arrow file, which is mapped. The latest one is kept, because rows are read in order."""
    with open_file(source, *path) as file:
        status = os.fstat(file.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        table = LATEST.get(key)
        if table is None:
            with arrow_errors(show(path)):
                table = map_file(file)
            LATEST.clear()
            LATEST[key] = table
    return table


def map_file(file: BinaryIO) -> Any:
    """Maps a file that is open."""
    pyarrow = import_pyarrow()
    mapped = pyarrow.memory_map(f"/proc/self/fd/{file.fileno()}")
    is_stream = file.read(len(NO_STREAM)) != NO_STREAM
    reader = pyarrow.ipc.open_stream(mapped) if is_stream else pyarrow.ipc.open_file(mapped)
    table = reader.read_all()
    # The offsets in a file may lie.
    table.validate(full=True)
    return table


@contextmanager
def arrow_errors(name: str) -> Iterator[None]:
    """Raises the library's errors as UnusableSource."""
    pyarrow = import_pyarrow()
    try:
        yield
    except MemoryError:
        raise
    except (pyarrow.ArrowException, KeyError, OSError) as error:
        # The library raises OSError without a number; an error with a number is one of the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = f"{name} cannot be read as Arrow data: it is truncated or damaged; save or upload it again"
        raise UnusableSource(message, file=name) from error


def is_class(feature: JsonObject) -> bool:
    """Whether the numbers of a column stand for classes."""
    return feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)


def named(column: Any, feature: JsonObject) -> Any:
    """Returns a column with the names of classes in place of their numbers; any other as it is."""
    pyarrow = import_pyarrow()
    if not is_class(feature):
        return column
    compute = importlib.import_module("pyarrow.compute")
    known = compute.if_else(compute.less(column, 0), pyarrow.scalar(None, column.type), column)
    return pyarrow.array(list(map(str, feature["names"])), pyarrow.string()).take(known)


# Pictures


def picture_columns(folder: ArrowFolder) -> list[str]:
    """Returns the names of the columns of pictures."""
    return [name for name, feature in folder.features.items() if feature.get("_type") == "Image"]


def find_labels(source: Path, notes: list[str]) -> Iterator[Label]:
    """Yields the label of each row of pictures."""
    folder = find_files(source, notes)
    pictures = picture_columns(folder)
    if len(pictures) > 1:
        raise UnusableSource(f"it has several columns of pictures: {', '.join(map(quote, pictures))}; keep one of them")
    label = choose_label(folder, pictures[0])
    unlabelled = 0
    for split, files in folder.files.items():
        for path in files:
            table = read_file(source, path)
            with arrow_errors(show(path)):
                texts = [] if table.num_rows == 0 else named(table[label], folder.features[label]).to_pylist()
            for row, text in enumerate(texts):
                if text is None:
                    unlabelled += 1
                else:
                    yield Label((*path, pictures[0], str(row)), split, str(text))
    if unlabelled:
        notes.append(f"{count_of(unlabelled, 'picture')} without a label in {quote(label)} were left out")


def choose_label(folder: ArrowFolder, picture: str) -> str:
    """Returns the column of labels of the pictures."""
    others = [name for name in folder.features if name != picture]
    found = find_target(folder, others) or (others[0] if len(others) == 1 else None)
    if found is not None:
        return found
    listed = ", ".join(map(quote, others)) or "none"
    raise UnusableSource(f"which column has the labels of its pictures is not plain: {listed}; keep one of them")


def find_target(folder: ArrowFolder, columns: Sequence[str]) -> str | None:
    """Returns the column that is the target: the only one of classes, or the one with a usual name."""
    classes = [name for name in columns if is_class(folder.features.get(name, {}))]
    usual = [name for name in classes or columns if name.lower() in LABELS]
    return next((names[0] for names in (classes, usual) if len(names) == 1), None)


def is_row(path: PicturePath) -> bool:
    """Whether a path names the picture in a row, as `find_labels` does."""
    return len(path) > 2 and path[-3].endswith(ARROW)


def open_row(source: Path, path: PicturePath) -> BinaryIO:
    """Opens the picture in a row, as `find_labels` names it."""
    *file, column, row = path
    cell = read_file(source, tuple(file))[column][int(row)].as_py()
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise UnusableSource(
            f"{show(path)} has no bytes, but perhaps the path of a file elsewhere: save the data set again, with the "
            "pictures in it"
        )
    return BytesIO(data)
