"""Reads `.npz` files: x and y, and the same for validation and test, without ever unpickling.

Arrays `y_NAME` are further targets: bakehouse/data/further_targets.py.
`x` with three axes holds grey pictures, or sequences (rows x steps x numbers) where an array `kind` says "sequence".
"""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.lib import format as npy

from bakehouse.data.errors import UnusableSource
from bakehouse.data.further_targets import check_splits, encode_further, further_names
from bakehouse.data.labels import encode_targets
from bakehouse.data.parsed import SPLITS, Array, Samples, check_rows, check_size
from bakehouse.data.precision import narrowed
from bakehouse.plan.card import TargetCard

MAX_ENTRIES = 10_000
MAX_RATIO = 100
"""Of sizes after and before inflating; real inputs stay below 20."""
SMALL = 16 << 20
"""Entries up to this size may have any ratio: sorted labels compress a thousandfold."""
CHUNK = 1 << 20
UNREADABLE = 0x61
"""Flags of a zip entry: encrypted, patch data, strongly encrypted."""
FEW_VALUES = 10
"""Floats with so few different values are probably meant as classes."""
Kind = Literal["image", "sequence", "table"]
CHANNELS = (1, 3, 4)
"""What an axis of channels measures in pictures."""
COLUMN_AXES: dict[Kind, tuple[int, ...]] = {"table": (0,), "sequence": (0, 1), "image": (0, 2, 3)}
"""What is reduced for the statistics of a feature, of a number of a step, of a channel."""


def read_npz(path: Path) -> Samples:
    """Integer, boolean or text `y` are classes; float `y` is regression."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read_arrays(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise UnusableSource(f"not a sound npz file: {error}") from error
    notes: list[str] = []
    kind = _kind(arrays)
    inputs = {name: _inputs(name, values, kind, notes) for name, values in arrays.items() if name.startswith("x")}
    per_row = {name: _one_per_row(name, values) for name, values in arrays.items() if name.startswith("y")}
    targets = {f"y{split}": per_row[f"y{split}"] for split in SPLITS if f"y{split}" in per_row}
    _check_together(inputs, targets, kind)
    if _stored_as(inputs["x"], kind) == "floats":
        inputs = narrowed(inputs, "x", COLUMN_AXES[kind])
    encoded, classes = encode_targets(targets)
    if classes is None and len(np.unique(encoded["y"])) <= FEW_VALUES:
        notes.append("y holds floats, so it is regressed; whole numbers, true and false, or text would be classes")
    further, told = _further(per_row, {split: len(inputs[f"x{split}"]) for split in SPLITS if f"x{split}" in inputs})
    notes += [f"y_{target.name} has no label in {target.missing:,} rows" for target in told if target.missing]
    return Samples(
        kind=kind,
        arrays={**{name: np.ascontiguousarray(values) for name, values in inputs.items()}, **encoded, **further},
        classes=classes,
        targets=told,
        notes=list(dict.fromkeys(notes)),
    )


def _read_arrays(archive: zipfile.ZipFile) -> dict[str, Array]:
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    if len(archive.infolist()) > MAX_ENTRIES:
        raise UnusableSource(f"it holds {len(archive.infolist())} entries; at most {MAX_ENTRIES} are read")
    wanted = [f"{axis}{split}" for split in SPLITS for axis in "xy" if f"x{split}" in entries or f"y{split}" in entries]
    for name in ["x", "y", *wanted]:
        if name not in entries:
            found = ", ".join(sorted(entries)[:10]) or "nothing"
            raise UnusableSource(f"there is no array called {name}; it holds {found}"[:300])
    wanted += ["kind"] if "kind" in entries else []
    wanted += _further_wanted(entries, [name.removeprefix("x") for name in wanted if name.startswith("x")])
    check_size("its arrays", sum(entries[name].file_size for name in wanted))
    return {name: _read_entry(archive, entries[name], name) for name in wanted}


def _further_wanted(entries: dict[str, zipfile.ZipInfo], splits: list[str]) -> list[str]:
    wanted = [f"y_{name}{split}" for name in further_names(entries) for split in splits]
    for name in wanted:
        if name not in entries:
            raise UnusableSource(f"there is no array called {name}, as for the set's other targets")
    return wanted


def _further(per_row: dict[str, Array], rows: dict[str, int]) -> tuple[dict[str, Array], tuple[TargetCard, ...]]:
    """The further targets as they are packed, numbered from 1, and in that order what cards say of them."""
    packed: dict[str, Array] = {}
    told = []
    for number, name in enumerate(further_names(per_row), start=1):
        arrays = {split: per_row[f"y_{name}{split}"] for split in rows}
        check_splits(name, arrays, rows)
        encoded, target = encode_further(name, arrays)
        packed |= {f"target{number}{split}": values for split, values in encoded.items()}
        told.append(target)
    return packed, tuple(told)


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Array:
    if entry.flag_bits & UNREADABLE or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableSource(f"{name} is encrypted or compressed in a way that numpy does not write")
    if entry.file_size > max(SMALL, MAX_RATIO * entry.compress_size):
        ratio = entry.file_size // max(entry.compress_size, 1)
        raise UnusableSource(f"{name} inflates {ratio} times; at most {MAX_RATIO} times is read")
    with archive.open(entry) as stream:
        shape, fortran, dtype = _header(stream, name)
        size = math.prod(shape) * dtype.itemsize
        if size != entry.file_size - stream.tell():
            raise UnusableSource(f"{name} says that it holds {size:,} bytes, its entry {entry.file_size:,}")
        return _body(stream, size).view(dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Checked before a byte of the array is read."""
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except ValueError as error:
        raise UnusableSource(f"{name} is not a numpy array: {error}"[:300]) from error
    if dtype.hasobject:
        raise UnusableSource(f"{name} holds Python objects, which are never loaded; store plain numbers or text")
    if dtype.kind not in "fiubUS" or any(axis < 1 for axis in shape) or dtype.itemsize == 0:
        raise UnusableSource(f"{name} must hold numbers or text, but is {dtype} with shape {shape}")
    return shape, fortran, dtype


def _body(stream: IO[bytes], size: int) -> Array:
    body = np.empty(size, dtype=np.uint8)
    for start in range(0, size, CHUNK):
        chunk = stream.read(min(CHUNK, size - start))
        body[start : start + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
    stream.read(1)  # past the end, where the checksum is compared
    return body


def _kind(arrays: dict[str, Array]) -> Kind:
    """What the file says itself, or what its inputs have axes for."""
    axes = arrays["x"].ndim
    if "kind" not in arrays:
        return "table" if axes == 2 else "image"
    said = str(arrays["kind"].reshape(-1)[0])[:40]
    match said:
        case "sequence" if axes == 3:
            return "sequence"
        case "image" if axes in (3, 4):
            return "image"
        case "table" if axes == 2:
            return "table"
    raise UnusableSource(
        f"kind is {said!r} and x has {axes} axes; a sequence has 3 (rows x steps x numbers), an image 3 or 4, a table 2"
    )


def _inputs(name: str, values: Array, kind: Kind, notes: list[str]) -> Array:
    if values.dtype.kind not in "fiub":
        raise UnusableSource(f"{name} must hold numbers, but is {values.dtype}")
    if values.ndim == 4:
        values = _channels_first(values, notes)
    elif values.ndim == 3 and kind == "image":
        if values.dtype != np.uint8:
            notes.append('x was read as grey pictures; an array kind="sequence" beside it makes its rows sequences')
        values = values[:, None]
    elif values.ndim not in (2, 3):
        raise UnusableSource(f"{name} must be rows x features, or pictures with 3 or 4 axes, but is {values.shape}")
    return values


def _channels_first(values: Array, notes: list[str]) -> Array:
    if values.shape[3] not in CHANNELS or values.shape[1] in CHANNELS:
        return values
    notes.append("x was read as pictures of height x width x channels")
    return values.transpose(0, 3, 1, 2)


def _one_per_row(name: str, values: Array) -> Array:
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        raise UnusableSource(f"{name} must hold one value a row, such as a class number, but is {values.shape}")
    return values


def _stored_as(values: Array, kind: Kind) -> Literal["uint8", "floats"]:
    """Bytes of pictures stay bytes."""
    return "uint8" if kind == "image" and values.dtype == np.uint8 else "floats"


def _check_together(inputs: dict[str, Array], targets: dict[str, Array], kind: Kind) -> None:
    check_rows(len(inputs["x"]))
    for name, values in inputs.items():
        rows = len(targets[name.replace("x", "y", 1)])
        if len(values) != rows:
            raise UnusableSource(f"{name} has {len(values)} rows and its y has {rows}")
        stored = [(_stored_as(each, kind), each.shape[1:]) for each in (values, inputs["x"])]
        if stored[0] != stored[1]:
            here, there = (f"{dtype} {shape}" for dtype, shape in stored)
            raise UnusableSource(f"{name} holds {here} a row, x holds {there}")
