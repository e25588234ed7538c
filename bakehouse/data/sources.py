"""Finds the sources of data sets: built-in ones, public ones that are known by name, and files in `BAKEHOUSE_DATA`."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bakehouse.data.errors import without_ending
from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.readers.array_names import LONE_ARRAY
from bakehouse.data.source_files import Kind, kind_of, refusal
from bakehouse.data.uploaded import Uploaded

DATA_FOLDER = "BAKEHOUSE_DATA"
"""The setting, under whose name a problem of the whole folder is listed. No data set can have this name."""
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
IGNORED_SUFFIXES = ("", ".md", ".rst")
"""Suffixes of files that often lie next to data sets, such as a README; they are not listed as unusable data sets."""
IGNORED_NAMES = re.compile(
    r"(read_?me|licen[cs]e|copying|notice|authors|changes|changelog|requirements|notes|description|info|citation|todo)"
    r"([_.-].*)?\.txt",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BuiltIn:
    """A data set that comes with the package, already packed."""

    id: str
    folder: Path


@dataclass(frozen=True)
class Files:
    """A file or folder to pack. It may be gone by the time that it is read."""

    id: str
    path: Path


@dataclass(frozen=True)
class Refused:
    """A file or folder in `BAKEHOUSE_DATA` that cannot be a data set."""

    id: str
    problem: str


@dataclass(frozen=True)
class Missing:
    """A known data set whose files are not on this machine."""

    id: str
    instructions: str


Source = BuiltIn | Files | Refused | Missing | Uploaded


BUILTIN_SETS = {path.name: BuiltIn(path.name, path) for path in sorted(BUILTIN.iterdir()) if path.is_dir()}


def find_sources(data: Path | None) -> list[Source]:
    """Finds all data sets: the built-in ones first, then the others by name."""
    own = [] if data is None else list(_find_own(data))
    own_names = {source.id for source in own}
    # A user's own files take precedence over a known set of the same name.
    known = [_find_known(name) for name in KNOWN if name not in own_names]
    return [*BUILTIN_SETS.values(), *sorted([*known, *own], key=lambda source: source.id)]


def _find_known(name: str) -> Source:
    known = KNOWN[name]
    # Unlike `Path.is_dir`, this is False, and no error, if a disk fails.
    if known.system_folder is not None and os.path.isdir(known.system_folder):  # noqa: PTH112
        return Files(name, known.system_folder)
    return Missing(name, known.instructions)


def _find_own(data: Path) -> Iterator[Source]:
    try:
        with os.scandir(data) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Refused(DATA_FOLDER, _folder_problem(error))
        return
    paths_by_name: dict[str, list[Path]] = defaultdict(list)
    for entry in entries:
        path = Path(entry.path)
        try:
            kind = kind_of(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Refused(_printable(path.name)[:200], f"it cannot be read: {error.strerror}")
            continue
        if path.name.startswith(".") or (kind == "file" and _is_ignored(path)):
            continue
        problem = _find_problem(path, kind)
        if problem is None:
            paths_by_name[_dataset_name(path, kind)].append(path)
        else:
            yield Refused(_printable(path.name)[:200], problem)
    yield from (_require_one(name, paths) for name, paths in paths_by_name.items())


def _is_ignored(path: Path) -> bool:
    return path.suffix.lower() in IGNORED_SUFFIXES or IGNORED_NAMES.fullmatch(path.name) is not None


def _folder_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "the folder that this setting names does not exist: create it or change the setting"
    return f"the folder that this setting names cannot be read: {error.strerror}"


def _require_one(name: str, paths: list[Path]) -> Source:
    if len(paths) > 1:
        files = " and ".join(path.name for path in paths)
        return Refused(name, f"{files} would both be the data set {name}: rename all but one of them")
    return Files(name, paths[0])


def _dataset_name(path: Path, kind: Kind) -> str:
    return (path.name if kind == "folder" else without_ending(path.name) or path.name).lower()


def _find_problem(path: Path, kind: Kind) -> str | None:
    """Returns the reason why a path cannot be a data set, or None; does not open the file."""
    if kind not in ("file", "folder"):
        return f"it {refusal(kind)}"
    if kind == "file" and path.suffix.lower() == ".npy":
        return LONE_ARRAY
    if kind == "file" and without_ending(path.name) is None:
        ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        return (
            f"{ending} files cannot be read: use .csv, .tsv, .parquet, .jsonl or .npz, or a folder with a folder of "
            "pictures for each class"
        )
    name = _dataset_name(path, kind)
    if not NAME.fullmatch(name):
        return "the name of a data set is 1 to 64 of a-z, 0-9 and ._- and begins with a letter or digit: rename it"
    if name in BUILTIN_SETS:
        return f"{name} is the name of a built-in data set: rename it"
    return None


def _printable(name: str) -> str:
    """Returns the name of a file as valid Unicode: bytes that are not UTF-8 become escapes."""
    return name.encode(errors="backslashreplace").decode()
