"""Computes signatures of files and folders, which change whenever the files change, without reading the files."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from bakehouse.data.packed_folders import SIGNATURE_DIGITS
from bakehouse.data.source_files import kind_of

PACKED_FORM = 17
"""Version number of the packed form; increase it when packing changes, so that all data sets are packed again."""


class SignatureCache:
    """Remembers the signatures of folders for a while. Any number of threads may use it."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[float, str]] = {}

    def signature(self, path: Path) -> str:
        """Returns the signature of a file or folder; the signature of a folder may be a little out of date."""
        started = time.monotonic()
        valid_until, signature = self._folders.get(path, (0.0, ""))
        if started < valid_until:
            return signature
        signature = compute_signature(path)
        # A signature is kept for twenty times as long as it took, so that large folders cost at most 5 % of the time.
        self._folders[path] = (started + 20 * (time.monotonic() - started), signature)
        return signature

    def forget(self, path: Path) -> None:
        """Forgets the signature of a path that has changed."""
        self._folders.pop(path, None)


def compute_signature(path: Path) -> str:
    """Returns the signature of a file or folder, from names, sizes and times of change. Raises OSError if the path is
    gone or cannot be looked at; a path below it that is gone is left out, and one that cannot be read is noted."""
    path.lstat()
    # The name of a file need not be valid UTF-8.
    digest = hashlib.sha256(f"{PACKED_FORM} {path}".encode(errors="surrogateescape"))
    for name, state in _walk(path):
        digest.update(f"{name}\0{state}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:SIGNATURE_DIGITS]


def _walk(path: Path) -> Iterator[tuple[str, str]]:
    try:
        status = path.lstat()
        # ctime, unlike mtime, also changes with `cp -p`, `mv` and `chmod`.
        yield str(path), f"{status.st_size}\0{status.st_ctime_ns}"
        # The order of a folder is arbitrary, but the signature depends on the order.
        inside = sorted(path.iterdir()) if kind_of(status) == "folder" else []
    except FileNotFoundError:
        return
    except OSError as error:
        yield str(path), f"error {error.errno}"
        return
    for entry in inside:
        yield from _walk(entry)
