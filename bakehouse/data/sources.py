"""Finds the sources of data sets: built-in ones, public ones that are known by name, and files in `BAKEHOUSE_DATA`."""

import hashlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bakehouse.data.known_datasets import BUILTIN, KNOWN

PACKED_FORM = 4
"""Version number of the packed form; increase it when packing changes, so that all data sets are packed again."""
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
DATA_SUFFIXES = (".npz", ".csv")
IGNORED_SUFFIXES = ("", ".md", ".rst", ".txt")
"""Suffixes of files that often lie next to data sets, such as a README; they are not listed as unusable data sets."""


@dataclass(frozen=True)
class BuiltIn:
    """A data set that comes with the package, already packed."""

    id: str
    folder: Path


@dataclass(frozen=True)
class Files:
    """A file or folder to pack. `signature` changes whenever the files change."""

    id: str
    path: Path
    signature: str


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


Source = BuiltIn | Files | Refused | Missing


class SignatureCache:
    """Computes the signatures of files and folders from names, sizes and times of change; remembers those of
    folders."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[float, str]] = {}

    def signature(self, path: Path) -> str:
        """Returns the signature of a file or folder; the signature of a folder may be a little out of date."""
        if not path.is_dir():
            return _compute_signature(path)
        started = time.monotonic()
        valid_until, signature = self._folders.get(path, (0.0, ""))
        if started < valid_until:
            return signature
        signature = _compute_signature(path)
        # A signature is kept for twenty times as long as it took, so that large folders cost at most 5 % of the time.
        self._folders[path] = (started + 20 * (time.monotonic() - started), signature)
        return signature


def find_sources(data: Path | None, signatures: SignatureCache) -> list[Source]:
    """Finds all data sets: the built-in ones first, then the others by name."""
    builtin = [BuiltIn(path.name, path) for path in sorted(BUILTIN.iterdir()) if path.is_dir()]
    own = [] if data is None else _find_own(data, {source.id for source in builtin}, signatures)
    own_names = {source.id for source in own}
    # A user's own files take precedence over a known set of the same name.
    known = [_find_known(name, signatures) for name in KNOWN if name not in own_names]
    return [*builtin, *sorted([*known, *own], key=lambda source: source.id)]


def _find_known(name: str, signatures: SignatureCache) -> Source:
    known = KNOWN[name]
    if known.system_folder is not None and known.system_folder.is_dir():
        return Files(name, known.system_folder, signatures.signature(known.system_folder))
    return Missing(name, known.instructions)


def _find_own(data: Path, builtin: set[str], signatures: SignatureCache) -> list[Source]:
    if not data.is_dir():
        return [
            Refused(
                "BAKEHOUSE_DATA", "the folder that this setting names does not exist: create it or change the setting"
            )
        ]
    paths_by_name: dict[str, list[Path]] = defaultdict(list)
    refused: list[Source] = []
    for path in sorted(data.iterdir()):
        if path.name.startswith(".") or (path.is_file() and path.suffix.lower() in IGNORED_SUFFIXES):
            continue
        problem = _find_problem(path, builtin)
        if problem is None:
            paths_by_name[_dataset_name(path)].append(path)
        else:
            refused.append(Refused(_printable(path.name)[:200], problem))
    return [*refused, *(_require_one(name, paths, signatures) for name, paths in paths_by_name.items())]


def _require_one(name: str, paths: list[Path], signatures: SignatureCache) -> Source:
    if len(paths) > 1:
        files = " and ".join(path.name for path in paths)
        return Refused(name, f"{files} would both be the data set {name}: rename all but one of them")
    return Files(name, paths[0], signatures.signature(paths[0]))


def _dataset_name(path: Path) -> str:
    return (path.name if path.is_dir() else path.stem).lower()


def _find_problem(path: Path, builtin: set[str]) -> str | None:
    """Returns the reason why a path cannot be a data set, or None; does not open the file."""
    # A link could lead out of the folder and show other files of the machine to clients.
    if path.is_symlink():
        return "it is a symbolic link, which Bakehouse does not follow: copy or move the data here"
    if path.is_file() and path.suffix.lower() not in DATA_SUFFIXES:
        return (
            f"{path.suffix} files cannot be read: use .npz, .csv, or a folder with a folder of pictures for each class"
        )
    name = _dataset_name(path)
    if not NAME.fullmatch(name):
        return "the name of a data set is 1 to 64 of a-z, 0-9 and ._- and begins with a letter or digit: rename it"
    if name in builtin:
        return f"{name} is the name of a built-in data set: rename it"
    return None


def _printable(name: str) -> str:
    """Returns the name of a file as valid Unicode: bytes that are not UTF-8 become escapes."""
    return name.encode(errors="backslashreplace").decode()


def _compute_signature(path: Path) -> str:
    # The name of a file need not be valid UTF-8.
    digest = hashlib.sha256(f"{PACKED_FORM} {path}".encode(errors="surrogateescape"))
    for name, status in _walk(path):
        # ctime, unlike mtime, also changes with `cp -p`, `mv` and `chmod`.
        digest.update(f"{name}\0{status.st_size}\0{status.st_ctime_ns}\0".encode(errors="surrogateescape"))
    # `remove_older_versions` expects exactly 16 digits at the end of a folder's name.
    return digest.hexdigest()[:16]


def _walk(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    yield str(path), path.stat(follow_symlinks=False)
    if path.is_dir():
        with os.scandir(path) as scan:
            # The order of scandir is arbitrary, but the signature depends on the order.
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield entry.path, entry.stat(follow_symlinks=False)
