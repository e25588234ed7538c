"""Reads and writes the folders in `BAKEHOUSE_HOME/datasets`.

Each version of a data set's files has a folder, with the packed data or with the reason why they could not be packed.
"""

import fcntl
import glob
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.pictures import PictureSize

SIGNATURE_DIGITS = 16
MAX_SIZES = 8
"""Number of sizes at which the pictures of a data set are kept. What is deleted can be packed again."""


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
    (folder / "paths.json").write_text(json.dumps(paths), encoding="utf-8")


def escape_path(path: Sequence[str]) -> str:
    """Joins the parts of a path below a set's folder, as valid Unicode."""
    # A file's name need not be Unicode, but what is sent to users must be.
    return "/".join(path).encode(errors="backslashreplace").decode()


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
    versions = re.compile(rf"\.?(?P<version>{re.escape(name)}-[0-9a-f]{{{SIGNATURE_DIGITS}}})(@[0-9a-z-]+)?(\.aside)?")
    for path in folder.parent.iterdir():
        found = versions.fullmatch(path.name)
        if found is not None and path != folder and (found["version"] != folder.name or path.suffix == ".aside"):
            shutil.rmtree(path)


def sized_folder(datasets: Path, packed: Path, size: PictureSize) -> Path:
    """Returns the folder for the pictures of a packed data set at another size."""
    return datasets / f"{packed.name}@{size}"


def remove_sizes_of_lost_uploads(datasets: Path, are_packed: Collection[str]) -> None:
    """Deletes the pictures at other sizes of uploads that are gone; `are_packed` are the names of the others."""
    for path in datasets.glob("*@*"):
        base = path.name.partition("@")[0]
        if re.fullmatch("[0-9a-f]{64}", base) and base not in are_packed:
            shutil.rmtree(path)


def remove_earlier_sizes(datasets: Path, packed: Path) -> None:
    """Deletes the pictures of a data set at all sizes but those that were packed last."""
    sizes = sorted(datasets.glob(f"{glob.escape(packed.name)}@*"), key=lambda path: path.stat().st_mtime)
    for path in sizes[:-MAX_SIZES]:
        shutil.rmtree(path)
