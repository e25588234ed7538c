"""Reads and writes the folders in `BAKEHOUSE_HOME/datasets`.

Each version of a data set's files has a folder, with the packed data or with the reason why they could not be packed.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from bakehouse.plan.card import DatasetCard

SIGNATURE_DIGITS = 16


@contextmanager
def create_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty folder to write into, and renames it to `folder` only when its files are complete and on disk."""
    aside = folder.with_name(f".{folder.name}.aside")
    # A process that was killed may have left it.
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    # Without this, a power cut after the rename could leave empty files under the final name.
    for path in (*aside.iterdir(), aside):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    # The rename is atomic, so readers see all files or none.
    aside.rename(folder)


def is_packed(folder: Path) -> bool:
    """Whether the folder holds a packed data set, which is always complete."""
    # The folder alone proves nothing, because it may hold `broken.json` instead.
    return (folder / "card.json").is_file()


# The name of a folder contains the signature of its source files, so its content never changes.
@lru_cache(maxsize=1024)
def read_card(folder: Path) -> DatasetCard:
    """Reads the card of a packed data set."""
    return DatasetCard.model_validate_json((folder / "card.json").read_bytes())


def read_card_if_packed(folder: Path) -> DatasetCard | None:
    """Reads the card, or returns None if the files are not packed, or are no longer because a newer version is."""
    try:
        return read_card(folder) if is_packed(folder) else None
    except FileNotFoundError:
        return None


def write_problem(folder: Path, problem: str) -> None:
    """Stores the reason why the files could not be packed, so that nobody tries again until the files change."""
    # A file's name need not be Unicode, but what is sent to users must be.
    text = problem.encode(errors="backslashreplace").decode()
    with create_folder(folder) as unfinished:
        (unfinished / "broken.json").write_text(json.dumps({"problem": text}), encoding="utf-8")


def read_problem(folder: Path) -> str | None:
    """Returns the reason why the files could not be packed, or None if they were packed or not tried yet."""
    try:
        return str(json.loads((folder / "broken.json").read_bytes())["problem"])
    except FileNotFoundError:
        return None


def write_paths(folder: Path, paths: Mapping[str, tuple[str, ...]]) -> None:
    """Stores the path of the picture in each row, by the suffix of the arrays."""
    # A file's name need not be Unicode, but what is sent to users must be.
    texts = {
        suffix: [path.encode(errors="backslashreplace").decode() for path in each] for suffix, each in paths.items()
    }
    (folder / "paths.json").write_text(json.dumps(texts), encoding="utf-8")


def read_paths(folder: Path, suffix: str) -> list[str]:
    """Returns the path of the picture in each row of the arrays of this suffix."""
    paths: dict[str, list[str]] = json.loads((folder / "paths.json").read_bytes())
    return paths[suffix]


@contextmanager
def hold_lock(datasets: Path, name: str) -> Iterator[int]:
    """Locks a data set's name during the block; a child process that inherits the descriptor holds the lock too."""
    datasets.mkdir(parents=True, exist_ok=True)
    # The file is never deleted, or one process could lock the deleted file and another a new one.
    with (datasets / f".{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def signature_in(folder: Path) -> str:
    """Returns the signature of the files that are packed in a folder, which ends the folder's name."""
    return folder.name[-SIGNATURE_DIGITS:]


def remove_older_versions(folder: Path, name: str) -> None:
    """Deletes the folders of earlier versions of the files; arrays that are already mapped stay readable."""
    # With the signature's digits, a data set whose name only begins with this name does not match.
    versions = re.compile(rf"\.?{re.escape(name)}-[0-9a-f]{{{SIGNATURE_DIGITS}}}(\.aside)?")
    for path in folder.parent.iterdir():
        if path != folder and versions.fullmatch(path.name):
            shutil.rmtree(path)
