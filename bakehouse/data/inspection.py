"""Inspects an uploaded file: unpacks it if it is an archive, reads it, and packs it.

`python -m bakehouse.data.inspection NAME FILE WORK LIMITS` does this in a process with limits, because a user's files
may be broken or hostile. WORK is a folder, in which it makes `source`, with the file or the folder that was read, and
`packed`. It prints lines of JSON: {"stage": ..., "done": ...} as it proceeds, and at last {"fingerprint": ...}, or
{"problem": ..., "place": {...}}, or {"errno": ..., "strerror": ...} if the disk is full or away.
"""

import errno
import json
import resource
import sys
import time
from pathlib import Path

from bakehouse.data.archives import ArchiveLimits, find_contents, is_archive, unpack
from bakehouse.data.errors import UnusableSource
from bakehouse.data.inspection_process import PACKED, SOURCE
from bakehouse.data.packing import (
    GIB,
    LIMITS,
    SourceUnreadable,
    TooSlow,
    describe,
    limit_resources_for,
    read_source,
    why_unreadable,
    write_packed,
)
from bakehouse.plan.card import DatasetCard

PROGRESS_SECONDS = 0.5
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS, errno.ENFILE, errno.ETIMEDOUT)
"""What a disk says that is full or away, whatever the file is."""
PLACES = ("file", "line", "column", "member")


def main(name: str, file: Path, work: Path, limits: ArchiveLimits) -> None:
    """Inspects a file and prints the outcome; an unexpected exception ends the process."""
    seconds = limit_resources_for(file)
    try:
        answer: dict[str, object] = {"fingerprint": inspect(name, file, work, limits).fingerprint}
    except UnusableSource as error:
        place = {field: to_unicode(value) for field in PLACES if (value := getattr(error, field)) is not None}
        answer = {"problem": to_unicode(str(error)), "place": place}
    except SourceUnreadable as error:
        answer = {"problem": to_unicode(str(error))}
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        answer = {"errno": error.errno, "strerror": error.strerror}
    except TooSlow:
        answer = {"problem": f"reading it takes more than {seconds} seconds of processor time"}
    except MemoryError:
        answer = {"problem": f"reading it takes more than {LIMITS[resource.RLIMIT_DATA] // GIB} GiB of memory"}
    print_line(answer)


def to_unicode(value: object) -> object:
    """Returns a text that can be stored and sent, although the name of a file need not be Unicode."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def inspect(name: str, file: Path, work: Path, limits: ArchiveLimits) -> DatasetCard:
    """Unpacks, reads and packs a file; returns its card."""
    source = prepare_source(name, file, work / SOURCE, limits)
    print_line({"stage": "reading"})
    try:
        description = describe(name, source)
        contents = read_source(source, description)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        raise SourceUnreadable(why_unreadable(error, source)) from error
    return write_packed(contents, description, work / PACKED)


def prepare_source(name: str, file: Path, folder: Path, limits: ArchiveLimits) -> Path:
    """Moves the file, or the contents of an archive, into a folder as its only entry; returns the entry."""
    folder.mkdir()
    if file.is_dir() or not is_archive(file.name):
        return file.rename(folder / file.name)
    unpacked = folder.with_name("unpacked")
    unpack(file, unpacked, limits, Reporter("unpacking"))
    contents = find_contents(unpacked)
    # Readers know a file by its ending, and show its name.
    return contents.rename(folder / (contents.name if contents.is_file() else name))


class Reporter:
    """Prints now and then how far a stage has come."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._next = 0.0

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_SECONDS
            print_line({"stage": self._stage, "done": done})


def print_line(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), ArchiveLimits.model_validate_json(sys.argv[4]))
