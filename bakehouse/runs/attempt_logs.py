"""The logs of attempts: text files with everything that the training process of an attempt wrote.

Each attempt has a file of its own, because the processes of two attempts may write at the same time, on two hosts.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

FILE = re.compile(r"([1-9][0-9]*)\.log")
MAX_BYTES = 1 << 20
LEFT_OUT = "\n[{bytes} bytes are left out here]\n"


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """What the training process of an attempt wrote, at most MAX_BYTES of it."""

    attempt: int
    text: str


def open_attempt_log(folder: Path, attempt: int) -> int:
    """Opens the log of an attempt for reading and appending; returns its file descriptor. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / f"{attempt}.log", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)


def read_attempt_log(folder: Path, attempt: int | None = None) -> AttemptLog | None:
    """Reads the log of an attempt, by default of the latest one that has a log; returns None if there is none."""
    try:
        number = max(attempts(folder), default=0) if attempt is None else attempt
        content = (folder / f"{number}.log").open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with content as file:
        size = os.fstat(file.fileno()).st_size
        begin = file.read(MAX_BYTES // 2)
        # The middle is left out: the beginning says what was started, and the end why it ended.
        skipped = max(0, size - MAX_BYTES)
        file.seek(skipped, os.SEEK_CUR)
        end = file.read(MAX_BYTES // 2)
    note = LEFT_OUT.format(bytes=skipped) if skipped else ""
    text = begin.decode(errors="replace") + note + end.decode(errors="replace")
    return AttemptLog(number, text)


def attempts(folder: Path) -> list[int]:
    """Returns the attempts that have a log."""
    names = (FILE.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return [int(name[1]) for name in names if name]
