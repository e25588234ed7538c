"""Reads inputs and targets from `.npz` files or folders of `.npy` files, with validation and test arrays, and further
targets.

If `x` has three axes, it holds grey pictures, or sequences (rows x steps x features) if an array `kind` is "sequence".
Pickled objects are never loaded.
"""

import errno
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import IO, Literal

import numpy as np
from numpy.lib import format as npy

from bakehouse.data.content_kinds import describe_content
from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import SPLITS, Array, Samples, check_rows, check_size
from bakehouse.data.precision import narrow_if_exact
from bakehouse.data.readers.array_names import READ_NAMES, find_arrays, find_meaning
from bakehouse.data.readers.further_targets import check_rows_match, encode_further_target, find_names
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.scratch_arrays import in_rows, new_array
from bakehouse.data.source_files import list_folder, open_file
from bakehouse.plan.card import TargetCard
from bakehouse.plurals import count_of

MAX_ENTRIES = 10_000
MAX_RATIO = 100
"""Limit on the ratio of an entry's size to its compressed size; the ratio of real inputs is below 20."""
SMALL_BYTES = 16 << 20
"""Size up to which an entry may have any compression ratio, because sorted labels compress a thousandfold."""
CHUNK_BYTES = 1 << 20
UNREADABLE_FLAGS = 0x61
"""The flags of zip entries that are encrypted, strongly encrypted, or patch data."""
MALFORMED = (ValueError, SyntaxError, TypeError, IndexError, RecursionError, TokenError)
"""What numpy raises for a header that it cannot read, which is Python's source of a dict."""
VALUES = {
    **dict.fromkeys("fiu", "numbers"), "b": "truth values", "c": "complex numbers", "M": "dates", "m": "durations",
    "V": "records of several fields", **dict.fromkeys("US", "texts"),
}  # fmt: skip
FEW_VALUES = 10
"""Number of distinct values up to which floats are probably meant as classes."""
Kind = Literal["image", "sequence", "table"]
CHANNELS = (1, 3, 4)
"""Usual numbers of channels: an axis of one of these lengths is taken for the axis of channels."""
REDUCED_AXES: dict[Kind, tuple[int, ...]] = {"table": (0,), "sequence": (0, 1), "image": (0, 2, 3)}
"""The axes over which the mean and the standard deviation of a feature or channel are taken."""


def read_npz(path: Path) -> Samples:
    """Reads a file. Integers, booleans and text in `y` are classes, and so are one-hot rows; floats are values to
    predict."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MAX_ENTRIES:
                raise UnusableSource(
                    f"the file holds {len(archive.infolist()):,} arrays; at most {MAX_ENTRIES:,} are allowed"
                )
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            sizes = {name: entry.file_size for name, entry in entries.items()}
            names = _choose_arrays(sizes)
            arrays = {key: read_entry(archive, entries[name], name) for key, name in names.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        with open_file(path) as file:
            why = describe_content(file, right="a zip archive")
        raise UnusableSource(f"the file is damaged or not an npz file: {why}") from error
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename is not None:
            raise
        # A damaged table of contents leads to places before the beginning of the file.
        raise UnusableSource("the file is damaged: its table of contents is wrong") from error
    return _make_samples_of(arrays, names)


def holds_npy(folder: Path) -> bool:
    """Whether the folder has `.npy` files right in it, of which one has the name of inputs or targets."""
    names = [name.removesuffix(".npy") for name, kind in list_folder(folder).items() if name.endswith(".npy")]
    return not {"x", "y"}.isdisjoint(map(find_meaning, names))


def read_npy_folder(folder: Path) -> Samples:
    """Reads the files of a folder like the arrays of an `.npz` file."""
    sizes = {
        name.removesuffix(".npy"): _size_of(folder, name)
        for name, kind in list_folder(folder).items()
        if kind == "file" and name.endswith(".npy")
    }
    names = _choose_arrays(sizes)
    arrays = {key: _read_npy(folder, f"{name}.npy", sizes[name]) for key, name in names.items()}
    return _make_samples_of(arrays, names)


def _size_of(folder: Path, name: str) -> int:
    with open_file(folder, name) as file:
        return file.seek(0, os.SEEK_END)


def _read_npy(folder: Path, name: str, size: int) -> Array:
    with open_file(folder, name) as file:
        return _read_array(file, size, name)


def _make_samples_of(arrays: dict[str, Array], names: Mapping[str, str]) -> Samples:
    """Gives the arrays the form in which they are packed; `names` are their names in the file."""
    others = [f"{name} was read as {key}" for key, name in names.items() if key != name]
    try:
        samples = _make_samples(arrays, others)
    except UnusableSource as error:
        member = None if error.member is None else names.get(error.member, error.member)
        raise UnusableSource("; ".join([str(error), *others]), member=member) from error
    return replace(samples, names=names)


def _make_samples(arrays: dict[str, Array], notes: list[str]) -> Samples:
    kind = _find_kind(arrays)
    inputs = {name: _shape_inputs(name, x, kind, notes) for name, x in arrays.items() if name.startswith("x")}
    labels = {name: _flatten_labels(name, y, notes) for name, y in arrays.items() if name.startswith("y")}
    targets = {f"y{split}": labels[f"y{split}"] for split in SPLITS if f"y{split}" in labels}
    _check_inputs(inputs, targets, kind)
    if _storage(inputs["x"], kind) == "floats":
        inputs = narrow_if_exact(inputs, "x", REDUCED_AXES[kind])
    encoded, classes = encode_targets(targets)
    if classes is None and len(np.unique(encoded["y"])) <= FEW_VALUES:
        notes.append("y holds floats, so it is a regression target; store classes as whole numbers, booleans or text")
    rows = {split: len(inputs[f"x{split}"]) for split in SPLITS if f"x{split}" in inputs}
    further, cards = _encode_further_targets(labels, rows)
    notes += [
        f"y_{target.name} has no label in {count_of(target.missing, 'row')}" for target in cards if target.missing
    ]
    return Samples(
        kind=kind,
        format="npz",
        arrays={**{name: in_rows(values, values.dtype) for name, values in inputs.items()}, **encoded, **further},
        classes=classes,
        targets=cards,
        notes=list(dict.fromkeys(notes)),
    )


def _choose_arrays(sizes: Mapping[str, int]) -> dict[str, str]:
    """Returns the names in the file of the arrays to read, by what they are."""
    entries = find_arrays(sizes)
    splits = [split for split in SPLITS if split == "" or f"x{split}" in entries or f"y{split}" in entries]
    names = [f"{axis}{split}" for split in splits for axis in "xy"]
    for name in names:
        if name not in entries:
            present = ", ".join(sorted(sizes)[:10]) or "no arrays"
            hint = "; save the inputs as x and the targets as y: np.savez(file, x=..., y=...)"
            raise UnusableSource(
                f"the array {name} is missing; the file holds {present}"[:300] + f"{hint}; {READ_NAMES}", member=name
            )
    names += ["kind"] if "kind" in entries else []
    names += _names_of_further_targets(entries, splits)
    # The sizes are those of the archive's directory or of the files, so nothing is read before this check.
    check_size("its arrays", sum(sizes[entries[name]] for name in names))
    return {name: entries[name] for name in names}


def _names_of_further_targets(entries: Mapping[str, str], splits: list[str]) -> list[str]:
    names = [f"y_{name}{split}" for name in find_names(entries) for split in splits]
    for name in names:
        if name not in entries:
            message = f"the array {name} is missing; each target needs an array for each split of x"
            raise UnusableSource(message, member=name)
    return names


def _encode_further_targets(
    labels: dict[str, Array], rows: dict[str, int]
) -> tuple[dict[str, Array], tuple[TargetCard, ...]]:
    """Encodes the further targets as arrays `target1`, `target2`, ..., and makes their cards in the same order."""
    packed: dict[str, Array] = {}
    cards = []
    for number, name in enumerate(find_names(labels), start=1):
        arrays = {split: labels[f"y_{name}{split}"] for split in rows}
        check_rows_match(name, arrays, rows)
        encoded, card = encode_further_target(name, arrays)
        packed |= {f"target{number}{split}": values for split, values in encoded.items()}
        cards.append(card)
    return packed, tuple(cards)


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Array:
    if entry.flag_bits & UNREADABLE_FLAGS or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"{name} is encrypted or compressed in a way that numpy does not use; save it with numpy"
        raise UnusableSource(message, member=name)
    if entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size):
        ratio = entry.file_size // max(entry.compress_size, 1)
        raise UnusableSource(
            f"{name} is {ratio} times as large as its compressed form; at most {MAX_RATIO} times is read, because "
            "such a file may be an attack: save it with np.savez, without compression",
            member=name,
        )
    # np.load is not used, because it allocates what the header promises before anything can be checked.
    with archive.open(entry) as stream:
        return _read_array(stream, entry.file_size, name)


def _read_array(stream: IO[bytes], file_size: int, name: str) -> Array:
    shape, fortran, dtype = _read_header(stream, name)
    size = math.prod(shape) * dtype.itemsize
    if size != file_size - stream.tell():
        message = f"{name} is damaged: its header promises {size:,} bytes, but its entry has {file_size:,}"
        raise UnusableSource(message, member=name)
    return _read_body(stream, size).view(dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Reads and checks the header of an array before its data is read."""
    try:
        version = npy.read_magic(stream)
        # Version 3 differs from version 2 only in the encoding of field names, which plain arrays do not have.
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except MALFORMED as error:
        message = f"{name} is not a numpy array, or it is damaged: save it again with numpy"
        raise UnusableSource(message, member=name) from error
    if dtype.hasobject:
        raise UnusableSource(
            f"{name} holds Python objects, which are never loaded; store plain numbers, or text as of astype(str), and "
            "sequences of different lengths as JSON lines, a list of steps and a target in each",
            member=name,
        )
    if dtype.kind not in "fiubUS" or any(axis < 1 for axis in shape) or dtype.itemsize == 0:
        message = f"{name} must hold at least one number or text, but has {name_values(dtype)} with shape {shape}"
        raise UnusableSource(message, member=name)
    return shape, fortran, dtype


def name_values(dtype: np.dtype[np.generic]) -> str:
    """Returns what an array of this type has, in plain words."""
    return VALUES.get(dtype.kind, "values of another kind")


def _read_body(stream: IO[bytes], size: int) -> Array:
    body = new_array((size,), np.uint8)
    for start in range(0, size, CHUNK_BYTES):
        chunk = stream.read(min(CHUNK_BYTES, size - start))
        body[start : start + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
    stream.read(1)  # Python compares the checksum when the end is reached.
    return body


def _find_kind(arrays: dict[str, Array]) -> Kind:
    """Returns the kind that the file states, or else the kind that the number of axes of `x` suggests."""
    axes = arrays["x"].ndim
    if "kind" not in arrays:
        return "table" if axes == 2 else "image"
    stated = str(arrays["kind"].reshape(-1)[0])[:40]
    match stated:
        case "sequence" if axes == 3:
            return "sequence"
        case "image" if axes in (3, 4):
            return "image"
        case "table" if axes == 2:
            return "table"
    raise UnusableSource(
        f"kind is {stated!r}, but x has {axes} axes; use 'table' for 2 axes (rows x features), 'sequence' for 3 "
        "(rows x steps x features), 'image' for 3 or 4",
        member="kind",
    )


def _shape_inputs(name: str, values: Array, kind: Kind, notes: list[str]) -> Array:
    if values.dtype.kind not in "fiub":
        raise UnusableSource(f"{name} must hold numbers, but has {name_values(values.dtype)}", member=name)
    if values.ndim == 4:
        return _move_channels_first(values, notes)
    if values.ndim == 3 and kind == "image":
        if values.dtype != np.uint8:
            notes.append('x was read as grey pictures; if its rows are sequences, add an array kind="sequence"')
        return values[:, None]
    if values.ndim not in (2, 3):
        raise UnusableSource(
            f"{name} has the shape {values.shape}; a table has 2 axes (rows x features), pictures have 3 or 4",
            member=name,
        )
    return values


def _move_channels_first(values: Array, notes: list[str]) -> Array:
    moved = values.transpose(0, 3, 1, 2) if has_channels_last(values.shape[1:]) else values
    channels, height, width = moved.shape[1:]
    if moved is not values:
        notes.append("x was read as pictures with axes rows x height x width x channels")
    if channels not in CHANNELS:
        notes.append(f"x was read as pictures of {count_of(channels, 'channel')}, {height} x {width} pixels")
    return moved


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether the last of three axes is that of the channels. If it cannot be told, the first is, as in torch."""
    first, middle, last = shape
    if first in CHANNELS or last in CHANNELS:
        return first not in CHANNELS
    # Most pictures are square, and have fewer channels than pixels along a side.
    if (first == middle) != (middle == last):
        return first == middle
    return last < first


def _flatten_labels(name: str, values: Array, notes: list[str]) -> Array:
    if values.size == len(values):
        return values.reshape(-1)
    if values.ndim == 2 and _is_one_hot(values):
        notes.append(f"{name} was read as one-hot: the class of a row is the place of its 1, from 0")
        return np.asarray(values.argmax(axis=1))
    raise UnusableSource(
        f"{name} must hold one value for each row, such as a class number, or one-hot rows of zeros and one 1, but has "
        f"the shape {values.shape}; save each further target as an array of its own, such as y_NAME",
        member=name,
    )


def _is_one_hot(values: Array) -> bool:
    if values.dtype.kind not in "fiub":
        return False
    return bool(((values == 0) | (values == 1)).all() and (np.count_nonzero(values, axis=1) == 1).all())


def _storage(values: Array, kind: Kind) -> Literal["uint8", "floats"]:
    """Returns how the inputs are packed: pictures of bytes as bytes, all others as floats."""
    return "uint8" if kind == "image" and values.dtype == np.uint8 else "floats"


def _check_inputs(inputs: dict[str, Array], targets: dict[str, Array], kind: Kind) -> None:
    """Refuses inputs with more or fewer rows than their targets, and splits whose rows differ in form from training
    rows."""
    train = inputs["x"]
    for name, values in inputs.items():
        target = name.replace("x", "y", 1)
        if len(values) != len(targets[target]):
            hint = f": its rows are its last axis, save {name}.T" if values.shape[-1] == len(targets[target]) else ""
            raise UnusableSource(
                f"{name} has {count_of(len(values), 'row')}, but {target} has {len(targets[target])}; they must match"
                f"{hint}",
                member=name,
            )
        if (_storage(values, kind), values.shape[1:]) != (_storage(train, kind), train.shape[1:]):
            raise UnusableSource(
                f"a row of {name} is {_storage(values, kind)} with shape {values.shape[1:]}, but a row of x is "
                f"{_storage(train, kind)} with shape {train.shape[1:]}; they must match",
                member=name,
            )
    check_rows(len(train), member="x")
