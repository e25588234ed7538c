"""Unpacks an uploaded archive (zip, tar, tar.gz) into a folder, within limits.

An archive may be hostile: each entry is checked before it is written, and its bytes are counted while they are
decompressed, because the sizes in an archive may lie.
"""

import errno
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bakehouse.data.content_kinds import LOOKED_AT, kind_of_content
from bakehouse.data.errors import ARCHIVE_ENDINGS, UnusableSource
from bakehouse.model import Model

NESTED_SUFFIXES = (*ARCHIVE_ENDINGS, ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar")
MAX_RATIO = 100
"""Limit on the bytes that an archive, or an entry of it, has for each of its compressed bytes."""
FREE_BYTES = 1 << 20
"""So many bytes are allowed at any ratio, because a short file of one colour compresses well."""
MAX_DEPTH = 32
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 2_000
BLOCK_BYTES = 1 << 18
# What operating systems add to archives.
HIDDEN = ("__MACOSX", ".DS_Store", "Thumbs.db")
# What zipfile and tarfile raise: RuntimeError for an encrypted entry, NotImplementedError for an unknown compression.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)
MAGIC = {b"PK\x03\x04": "a zip archive", b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!": "a rar archive"}
# npz files are zip archives of arrays.
ZIP_FORMATS = (".npz",)

Progress = Callable[[int], None]
"""Is called with the number of bytes that were written so far."""


class ArchiveLimits(Model):
    """The largest archive that is unpacked."""

    entries: int
    total_bytes: int
    entry_bytes: int


@dataclass(frozen=True)
class Entry:
    """A file, folder or other member of an archive, as its table of contents describes it, before it is unpacked."""

    name: str
    kind: str
    size: int
    """Its size as the archive states it."""
    compressed: int | None
    """Its compressed size as the archive states it; None where only the whole archive is compressed."""
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Returns whether a file of this name is unpacked."""
    return name.lower().endswith(ARCHIVE_ENDINGS)


def unpack(archive: Path, target: Path, limits: ArchiveLimits, note: Progress) -> None:
    """Unpacks an archive into a new folder. Raises UnusableSource, which names the entry."""
    target.mkdir()
    unpacking = Unpacking(target, limits, archive.stat().st_size, note)
    is_zip = archive.name.lower().endswith(".zip")
    with naming(archive.name, is_zip=is_zip, archive=archive):
        if is_zip:
            with zipfile.ZipFile(archive) as opened:
                unpacking.unpack(zip_entries(opened))
        else:
            # Read as a stream: a list of all entries would be decompressed before the first limit is checked.
            with tarfile.open(archive, "r|*") as stream:
                unpacking.unpack(tar_entries(stream))


class Unpacking:
    """Counts what was written so far, and refuses what exceeds the limits."""

    def __init__(self, target: Path, limits: ArchiveLimits, archive_bytes: int, note: Progress) -> None:
        self._target = target
        self._limits = limits
        self._allowed = max(FREE_BYTES, MAX_RATIO * archive_bytes)
        self._note = note
        self._written = 0
        self._names: set[str] = set()
        self._folders: set[str] = set()

    def unpack(self, entries: Iterator[Entry]) -> None:
        """Writes all entries."""
        for number, entry in enumerate(entries, start=1):
            if number > self._limits.entries:
                raise UnusableSource(f"it has more than {self._limits.entries:,} entries", member=printable(entry.name))
            path = self._path(entry)
            if path is None:
                continue
            with naming(entry.name):
                self._write(entry, path)
        if not self._names:
            raise UnusableSource("the archive has no files")

    def _path(self, entry: Entry) -> Path | None:
        """Returns the place of an entry; None if it is passed over."""
        names = safe_names(entry.name)
        if entry.kind not in ("file", "folder"):
            links = "and none are followed: put a copy of its target in its place"
            why = links if "link" in entry.kind else "but an archive may only have files and folders"
            raise refusal(entry.name, f"is a {entry.kind}, {why}")
        if not names or any(name in HIDDEN or name.startswith("._") for name in names):
            return None
        path = "/".join(names)
        if path in self._names and entry.kind == "file":
            raise refusal(entry.name, "is there twice")
        self._names.add(path)
        self._folders.update("/".join(names[:depth]) for depth in range(1, len(names)))
        if len(self._folders) > self._limits.entries:
            raise refusal(entry.name, f"is in one of more than {self._limits.entries:,} folders")
        return self._target.joinpath(*names)

    def _write(self, entry: Entry, path: Path) -> None:
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            return
        if entry.name.lower().endswith(NESTED_SUFFIXES):
            raise refusal(entry.name, "is an archive in an archive: put its files into the outer one")
        if entry.size > self._limits.entry_bytes:
            raise self._too_large(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with entry.open() as source, path.open("xb") as file:
            while block := source.read(BLOCK_BYTES):
                if not written:
                    refuse_nested(entry.name, block)
                written += len(block)
                self._count(entry, len(block), written)
                file.write(block)

    def _count(self, entry: Entry, size: int, written: int) -> None:
        self._written += size
        if written > self._limits.entry_bytes:
            raise self._too_large(entry)
        if self._written > self._limits.total_bytes:
            limit = f"{self._limits.total_bytes:,} bytes (BAKEHOUSE_MAX_UNPACKED_BYTES)"
            raise refusal(entry.name, f"is too much: the archive unpacks to more than {limit}")
        allowed = None if entry.compressed is None else max(FREE_BYTES, MAX_RATIO * entry.compressed)
        if self._written > self._allowed or (allowed is not None and written > allowed):
            raise refusal(entry.name, f"unpacks to more than {MAX_RATIO} times its compressed size")
        self._note(self._written)

    def _too_large(self, entry: Entry) -> UnusableSource:
        limit = f"{self._limits.entry_bytes:,} bytes (BAKEHOUSE_MAX_ENTRY_BYTES)"
        return refusal(entry.name, f"has more than {limit}")


def zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """Yields the entries of a zip archive."""
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = (
            "folder" if info.is_dir() else KINDS.get(stat.S_IFMT(mode), "file" if not stat.S_IFMT(mode) else "device")
        )
        if info.flag_bits & 1:
            raise refusal(info.filename, "is encrypted: upload it without a password")
        # Python reads a block of the other compressions without a limit on what it unpacks to.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refusal(info.filename, "is compressed in another way than deflate, which is the usual one")
        # `filename` is changed: it ends before a NUL.
        yield Entry(info.orig_filename, kind, info.file_size, info.compress_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def tar_entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    """Yields the entries of a tar archive."""
    for info in archive:
        kind = next((name for name, is_kind in TAR_KINDS.items() if is_kind(info)), "device")

        def open_entry(info: tarfile.TarInfo = info) -> IO[bytes]:
            file = archive.extractfile(info)
            assert file is not None
            return file

        # Otherwise the archive would remember every entry.
        archive.members = []  # type: ignore[attr-defined]
        yield Entry(info.name, kind, info.size, None, open_entry)


KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symbolic link"}
TAR_KINDS: dict[str, Callable[[tarfile.TarInfo], bool]] = {
    "file": tarfile.TarInfo.isreg,
    "folder": tarfile.TarInfo.isdir,
    "symbolic link": tarfile.TarInfo.issym,
    "hard link": tarfile.TarInfo.islnk,
    "named pipe": tarfile.TarInfo.isfifo,
}


def safe_names(name: str) -> list[str]:
    """Returns the names in the path of an entry. Refuses a path that leads out of the archive."""
    # Windows writes backslashes.
    path = name.replace("\\", "/")
    if path.startswith("/") or path[1:2] == ":":
        raise refusal(name, "has an absolute path: archive its folder with relative paths")
    names = [each for each in path.split("/") if each not in ("", ".")]
    if ".." in names:
        raise refusal(name, "leads out of the archive by '..'")
    if "\0" in path:
        raise refusal(name, "has a NUL character in its name")
    if len(path.encode(errors="surrogateescape")) > MAX_PATH_BYTES:
        raise refusal(name, f"has a path of more than {MAX_PATH_BYTES:,} bytes")
    if len(names) > MAX_DEPTH or any(len(each.encode(errors="surrogateescape")) > MAX_NAME_BYTES for each in names):
        raise refusal(
            name, f"has a name of more than {MAX_NAME_BYTES} bytes, or more than {MAX_DEPTH} folders in its path"
        )
    return names


def refuse_nested(name: str, beginning: bytes) -> None:
    """Refuses an entry that is an archive itself, whatever its name is."""
    kind = next((kind for magic, kind in MAGIC.items() if beginning.startswith(magic)), None)
    if beginning[257:262] == b"ustar":
        kind = "a tar archive"
    if kind is not None and not name.lower().endswith(ZIP_FORMATS):
        raise refusal(name, f"is {kind} in an archive: put its files into the outer one")


@contextmanager
def naming(name: str, *, is_zip: bool = False, archive: Path | None = None) -> Iterator[None]:
    """Turns the errors of the libraries, and of the file system, into refusals that name the entry, or the archive."""
    try:
        yield
    except UnusableSource:
        raise
    except DAMAGED as error:
        raise refusal(name, why_damaged(archive, is_zip=is_zip)) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise refusal(name, "is there twice, as a file and as a folder") from error
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename is not None:
            raise
        # A damaged table of contents leads to places before the beginning of the file.
        raise refusal(name, "is truncated or damaged (its table of contents is wrong)") from error


def why_damaged(archive: Path | None, *, is_zip: bool) -> str:
    """Returns what is wrong with an archive that cannot be read, or, without its path, with an entry of one."""
    if archive is None:
        return "is truncated or damaged: pack the archive again"
    with archive.open("rb") as file:
        kind = kind_of_content(file.read(LOOKED_AT))
    right = ("a zip archive",) if is_zip else ("a tar archive", "compressed by gzip", "compressed by bzip2")
    if kind is None or kind in right:
        return "is truncated or damaged: pack or upload it again"
    return f"is not {'a zip' if is_zip else 'a tar'} archive: it is {kind}"


def refusal(name: str, why: str) -> UnusableSource:
    """Returns the error for one entry."""
    shown = printable(name)
    return UnusableSource(f"{shown} {why}", member=shown)


def printable(name: str) -> str:
    """Returns the beginning of a name as valid Unicode on one line."""
    text = name.encode(errors="backslashreplace").decode()
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)[:200]


def find_contents(folder: Path) -> Path:
    """Returns the folder or file that an unpacked archive is about: of a folder alone in a folder, the inner one."""
    while True:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if len(entries) != 1:
            return folder
        [entry] = entries
        if not entry.is_dir():
            return entry
        folder = entry
