"""Where data sets come from: the built-in ones, the known ones, and the files in `BAKEHOUSE_DATA`."""

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
"""Raised when the same files are packed differently; older packed sets are then made again."""
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
READ = (".npz", ".csv")
NOT_DATA = ("", ".md", ".rst", ".txt")
"""Suffixes of files that may lie beside data sets without a word about them."""


@dataclass(frozen=True)
class BuiltIn:
    """Shipped packed."""

    id: str
    folder: Path


@dataclass(frozen=True)
class Files:
    """To be packed from `path`; `signature` changes when its files do."""

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
    """Known by name, not on this machine."""

    id: str
    how: str


Source = BuiltIn | Files | Refused | Missing


class Signatures:
    """Of files and folders, by names, sizes and times of change."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[float, str]] = {}

    def of(self, path: Path) -> str:
        """A folder is not walked again for twenty times as long as the walk took; a file is cheap."""
        if not path.is_dir():
            return _signature(path)
        started = time.monotonic()
        until, signature = self._kept.get(path, (0.0, ""))
        if started < until:
            return signature
        signature = _signature(path)
        self._kept[path] = (started + 20 * (time.monotonic() - started), signature)
        return signature


def find_sources(data: Path | None, signatures: Signatures) -> list[Source]:
    """All data sets, built-in ones first, then by name."""
    builtin = [BuiltIn(path.name, path) for path in sorted(BUILTIN.iterdir()) if path.is_dir()]
    own = _own(data, {source.id for source in builtin}, signatures) if data is not None else []
    taken = {source.id for source in own}
    known = [_known(name, signatures) for name in KNOWN if name not in taken]
    return [*builtin, *sorted([*known, *own], key=lambda source: source.id)]


def _known(name: str, signatures: Signatures) -> Source:
    known = KNOWN[name]
    if known.system is not None and known.system.is_dir():
        return Files(name, known.system, signatures.of(known.system))
    return Missing(name, known.how)


def _own(data: Path, builtin: set[str], signatures: Signatures) -> list[Source]:
    if not data.is_dir():
        return [Refused("BAKEHOUSE_DATA", "it names a folder that is not there: create it, or set another")]
    by_name: dict[str, list[Path]] = defaultdict(list)
    refused: list[Source] = []
    for path in sorted(data.iterdir()):
        if not (path.name.startswith(".") or (path.is_file() and path.suffix.lower() in NOT_DATA)):
            problem = _problem(path, builtin)
            if problem is None:
                by_name[_name(path)].append(path)
            else:
                refused.append(Refused(path.name.encode(errors="backslashreplace").decode()[:200], problem))
    return [*refused, *(_one(name, paths, signatures) for name, paths in by_name.items())]


def _one(name: str, paths: list[Path], signatures: Signatures) -> Source:
    if len(paths) > 1:
        return Refused(name, f"{' and '.join(path.name for path in paths)} have the same name: rename one of them")
    return Files(name, paths[0], signatures.of(paths[0]))


def _name(path: Path) -> str:
    return (path.name if path.is_dir() else path.stem).lower()


def _problem(path: Path, builtin: set[str]) -> str | None:
    """Why a path cannot be a data set, as far as its name tells."""
    if path.is_symlink():
        return "it is a symbolic link, and none are followed"
    if path.is_file() and path.suffix.lower() not in READ:
        return f"{path.suffix} files are not read: use .npz, .csv, or a folder of class folders of pictures"
    if not NAME.fullmatch(_name(path)):
        return "a data set's name is 1 to 64 of a-z, 0-9 and ._- and begins with a letter or digit: rename it"
    if _name(path) in builtin:
        return f"{_name(path)} is the name of a built-in data set: rename it"
    return None


def _signature(path: Path) -> str:
    digest = hashlib.sha256(f"{PACKED_FORM} {path}".encode(errors="surrogateescape"))
    for name, status in _walk(path):
        # The time of change, unlike that of modification, also moves with `cp -p`, `mv` and `chmod`.
        digest.update(f"{name}\0{status.st_size}\0{status.st_ctime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _walk(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    yield str(path), path.stat(follow_symlinks=False)
    if path.is_dir():
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield entry.path, entry.stat(follow_symlinks=False)
