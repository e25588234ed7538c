"""Packs a data set: reads its files and writes a folder with `card.json` and arrays, which is then only read.

`python -m bakehouse.data.packing NAME SOURCE TARGET` packs in a process with limits, because a user's files may be
broken or hostile. It prints one line of JSON: {"ok": true}; {"problem": "..."}, which is also stored in TARGET;
{"unreadable": "..."} if the disk failed; or {"changed": true} if the signature in the name of TARGET is no longer that
of SOURCE.
"""

import hashlib
import json
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import assert_never, get_args

import duckdb
import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.group_sizes import with_group_sizes
from bakehouse.data.known_datasets import KNOWN
from bakehouse.data.packed_folders import create_folder, signature_in, write_paths, write_problem
from bakehouse.data.parsed import MAX_BYTES, Array, Contents, Description, Samples, Table
from bakehouse.data.profile.profile import with_profile
from bakehouse.data.readers.array_names import LONE_ARRAY
from bakehouse.data.readers.arrow_folders import holds_arrow, holds_pictures
from bakehouse.data.readers.arrow_tables import read_arrow_table
from bakehouse.data.readers.cell_store import raise_if_no_room
from bakehouse.data.readers.cifar import holds_cifar, read_cifar
from bakehouse.data.readers.csv_table import read_csv
from bakehouse.data.readers.idx import holds_idx, read_idx
from bakehouse.data.readers.npz import holds_npy, read_npy_folder, read_npz
from bakehouse.data.readers.pictures import read_pictures
from bakehouse.data.readers.split_tables import find_split_tables, read_split_tables
from bakehouse.data.readers.typed_tables import read_typed_file
from bakehouse.data.scratch_arrays import in_rows
from bakehouse.data.signatures import compute_signature
from bakehouse.data.source_files import extra_seconds, is_folder
from bakehouse.data.source_formats import FOREIGN
from bakehouse.plan.card import Column, DatasetCard, Dtype, FloatDtype, SplitCounts

GIB = 1 << 30
CPU_SECONDS = 600
LIMITS = {
    # Arrays that are files do not count.
    resource.RLIMIT_DATA: 8 * GIB,
    resource.RLIMIT_FSIZE: MAX_BYTES + GIB,
    resource.RLIMIT_CPU: CPU_SECONDS,
    # A core dump would leave the user's data on the disk.
    resource.RLIMIT_CORE: 0,
}
# Each name maps to itself, which gives a type checker the narrow type.
DTYPES: Mapping[str, Dtype] = {dtype: dtype for dtype in get_args(Dtype)}
MAX_CARD_BYTES = 4 << 20
"""Limit on the size of a card, because the service reads and shows it. Thousands of columns or classes still fit."""


class TooSlow(Exception):
    """Raised if this process has used up its processor time.

    The signal may arrive inside any parser, so this class is no subclass of the errors that parsers catch.
    """


class SourceChanged(Exception):
    """Raised if the files have changed since the signature was computed, whatever else went wrong."""


class SourceUnreadable(Exception):
    """Raised if the operating system could not read the files; the message says which and why."""


def main(name: str, source: Path, target: Path) -> None:
    """Packs a data set and prints whether its files could be used; an unexpected exception ends the process."""
    seconds = limit_resources_for(source)
    try:
        description = describe(name, source)
        contents = read_unchanged(source, description, signature_in(target))
        write_packed(contents, description, target)
        answer: dict[str, object] = {"ok": True}
    except SourceChanged:
        answer = {"changed": True}
    except SourceUnreadable as error:
        answer = {"unreadable": str(error)}
    except UnusableSource as error:
        answer = {"problem": str(error)}
    except TooSlow:
        answer = {"problem": f"reading its files takes more than {seconds} seconds of processor time"}
    except MemoryError:
        answer = {"problem": f"reading its files takes more than {LIMITS[resource.RLIMIT_DATA] // GIB} GiB of memory"}
    if "problem" in answer:
        write_problem(target, str(answer["problem"]))
    print(json.dumps(answer))


def read_unchanged(source: Path, description: Description, signature: str) -> Contents:
    """Reads the files; raises SourceChanged if they are not those of the signature, before or after."""
    try:
        return read_source(source, description)
    except OSError as error:
        raise SourceUnreadable(why_unreadable(error, source)) from error
    finally:
        # A file that is replaced while it is read may look broken, or sound with the rows of two versions.
        if not has_signature(source, signature):
            raise SourceChanged


def has_signature(source: Path, signature: str) -> bool:
    """Whether the files are there and have the signature."""
    try:
        return compute_signature(source) == signature
    except OSError:
        return False


def why_unreadable(error: OSError, source: Path) -> str:
    """Returns the reason for users, which leaves out the full path."""
    file = source.name if error.filename is None else Path(str(error.filename)).name
    if isinstance(error, PermissionError):
        return f"{file} cannot be opened: the user that Bakehouse runs as has no permission to read it"
    return f"{file} cannot be read: {error.strerror}"


def limit_resources_for(source: Path) -> int:
    """Limits the resources of this process; returns the seconds that it may take to read a source of this size."""
    extra = extra_seconds(source)
    limit_resources({**LIMITS, resource.RLIMIT_CPU: LIMITS[resource.RLIMIT_CPU] + extra})
    return CPU_SECONDS + extra


def limit_resources(limits: Mapping[int, int]) -> None:
    """Limits the memory, processor time and file sizes of this process."""
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        # A process may not raise its limits above the hard ones, for example those of a container.
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, hard))
    signal.signal(signal.SIGXCPU, _raise_too_slow)


def _raise_too_slow(_signal: int, _frame: FrameType | None) -> None:
    # The signal comes again each second.
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    raise TooSlow


def pack(name: str, source: Path, target: Path) -> DatasetCard:
    """Reads a file or folder and writes it as a packed data set."""
    description = describe(name, source)
    return write_packed(read_source(source, description), description, target)


def describe(name: str, source: Path) -> Description:
    """Describes a data set by its name alone, without reading its files."""
    known = KNOWN.get(name)
    if known is None:
        return Description(id=name, origin=f"{'folder' if source.is_dir() else 'file'} {source.name}")
    return Description(
        id=name, title=known.title, origin=known.origin, mirror_safe=known.mirror_safe, classes=known.classes
    )  # fmt: skip


def read_source(source: Path, description: Description) -> Contents:
    """Reads the files with the reader for their format: idx, CIFAR, a folder of pictures, NPZ, or a table."""
    try:
        return _read_folder(source, description) if is_folder(source) else _read_file(source)
    except duckdb.Error as error:
        raise_if_no_room(error)
        raise


def _read_folder(source: Path, description: Description) -> Contents:
    if holds_idx(source):
        return read_idx(source, description.classes)
    if holds_cifar(source):
        return read_cifar(source, description.classes)
    if holds_npy(source):
        return read_npy_folder(source)
    if holds_arrow(source):
        return read_pictures(source) if holds_pictures(source) else read_arrow_table(source)
    if (tables := find_split_tables(source)) is not None:
        return read_split_tables(tables)
    # This reader's error for a folder without data names all kinds of folders.
    return read_pictures(source)


def _read_file(source: Path) -> Contents:
    match source.suffix.lower():
        case ".npz":
            return read_npz(source)
        case ".npy":
            raise UnusableSource(LONE_ARRAY)
        case ".parquet":
            return read_typed_file(source, "parquet")
        case ".json" | ".jsonl" | ".ndjson":
            return read_typed_file(source, "json")
        case foreign if foreign in FOREIGN:
            raise UnusableSource(f"{foreign} files are not read, because each is {FOREIGN[foreign]}")
        case _:
            return read_csv(source)


def write_packed(contents: Contents, description: Description, target: Path) -> DatasetCard:
    """Writes the packed data set and returns its card."""
    arrays = packed_arrays(contents)
    card = with_profile(make_card(contents, description, fingerprint(contents, arrays)), contents)
    text = card.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > MAX_CARD_BYTES:
        raise UnusableSource("the names of its columns and classes take more than 4 MiB: use fewer or shorter names")
    with create_folder(target) as folder:
        for name, values in arrays.items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
        if isinstance(contents, Samples) and contents.paths:
            write_paths(folder, contents.paths)
        (folder / "card.json").write_text(text, encoding="utf-8")
    return card


def packed_arrays(contents: Contents) -> Mapping[str, Array]:
    """Returns a dict from file name to array."""
    match contents:
        case Samples():
            return contents.arrays
        case Table():
            return {"table": contents.values}
        case _:
            assert_never(contents)


def fingerprint(contents: Contents, arrays: Mapping[str, Array]) -> str:
    """Returns the SHA-256 of the arrays and of what their numbers mean, such as class names, but not of titles."""
    digest = hashlib.sha256(json.dumps(_meaning(contents)).encode())
    # Sorted, so that the digest does not depend on the order in which a reader finds the arrays.
    for name, values in sorted(arrays.items()):
        # Without type and shape, different arrays of the same bytes would have the same digest.
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(in_rows(values, values.dtype).data)
    return f"sha256:{digest.hexdigest()}"


def _meaning(contents: Contents) -> list[object]:
    match contents:
        case Samples():
            further = [[target.name, target.classes] for target in contents.targets]
            return [contents.kind, contents.classes, *further]
        case Table():
            columns = [(column.name, _kind_in_meaning(column), column.classes) for column in contents.columns]
            return ["columns", columns, *([] if contents.counts is None else [list(contents.counts)])]
        case _:
            assert_never(contents)


def _kind_in_meaning(column: Column) -> str:
    # These words keep the fingerprints of tables that were packed before columns had other kinds.
    if not column.has_numbers:
        return "text"
    return "integer" if column.whole else "number"


def make_card(contents: Contents, description: Description, fingerprint: str) -> DatasetCard:
    """Makes the card, which holds everything that a plan needs to know about the data set."""
    match contents:
        case Samples():
            return _samples_card(contents, description, fingerprint)
        case Table():
            return _table_card(contents, description, fingerprint)
        case _:
            assert_never(contents)


def _samples_card(samples: Samples, description: Description, fingerprint: str) -> DatasetCard:
    arrays = samples.arrays
    classes = samples.classes
    x = arrays["x"]
    inputs = [values for name, values in arrays.items() if name.startswith("x")]
    counts = {name: len(arrays[f"y_{name}"]) for name in ("validation", "test") if f"y_{name}" in arrays}
    return DatasetCard(
        id=description.id,
        title=description.title,
        origin=description.origin,
        fingerprint=fingerprint,
        kind=samples.kind,
        shape=x.shape[1:],
        lengths=samples.lengths,
        dtype=DTYPES[x.dtype.name],
        format=samples.format,
        counts=SplitCounts(train=len(x), **counts),
        task="regression" if classes is None else "classification",
        classes=classes,
        class_counts=None if classes is None else tuple(np.bincount(arrays["y"], minlength=len(classes)).tolist()),
        target_dtype=float_dtype(arrays["y"]),
        targets=samples.targets,
        arrays={key: name for key, name in samples.names.items() if key != name},
        # These leave out nan, which pads ragged sequences.
        minimum=min(float(np.fmin.reduce(values, axis=None)) for values in inputs),
        maximum=max(float(np.fmax.reduce(values, axis=None)) for values in inputs),
        notes=tuple(samples.notes),
        own_sizes=samples.own_sizes,
        unreadable=samples.unreadable,
        mirror_safe=description.mirror_safe,
    )


def float_dtype(values: Array) -> FloatDtype:
    """Returns the type of an array of floats; class numbers have none, and get the default."""
    return "float64" if values.dtype == np.float64 else "float32"


def _table_card(table: Table, description: Description, fingerprint: str) -> DatasetCard:
    return DatasetCard(
        id=description.id,
        title=description.title,
        origin=description.origin,
        fingerprint=fingerprint,
        kind="table",
        # Each recipe chooses a target among the columns; all others are inputs unless it adds tasks.
        shape=(len(table.columns) - 1,),
        format=table.format,
        text=table.text,
        dtype="float64" if any(column.dtype == "float64" for column in table.columns) else "float32",
        counts=table.counts or SplitCounts(train=len(table.values)),
        columns=with_group_sizes(table.columns, table.training),
        # A table may have only text columns, which have no smallest number.
        minimum=min((column.minimum for column in table.columns if column.minimum is not None), default=0.0),
        maximum=max((column.maximum for column in table.columns if column.maximum is not None), default=0.0),
        notes=tuple(table.notes),
        mirror_safe=description.mirror_safe,
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
