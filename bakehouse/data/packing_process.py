"""Packs a data set in a child process."""

from pathlib import Path

from bakehouse.data.child_process import MAX_SECONDS, ChildFailed, run_in_child
from bakehouse.data.packed_folders import read_card
from bakehouse.data.source_files import extra_seconds
from bakehouse.data.sources import Files
from bakehouse.model import JsonObject
from bakehouse.plan.pictures import PictureSize

SECONDS_A_PICTURE = 0.1
"""Time for each picture that is packed at another size, if they are very many."""


class SourceChanged(Exception):
    """Raised if the files changed while they were packed."""


def pack_in_child(files: Files, folder: Path, lock: int) -> None:
    """Packs into `folder`, or writes there why the files cannot be used. Raises SourceChanged and ChildFailed."""
    # The child inherits the lock, so that no other process packs the same files while it is still ending.
    seconds = MAX_SECONDS + extra_seconds(files.path)
    arguments = [files.id, str(files.path), str(folder)]
    check(
        run_in_child("bakehouse.data.packing", arguments, scratch=folder.parent, pass_fds=[lock], max_seconds=seconds)
    )


def resize_in_child(
    source: Path, packed: Path, folder: Path, size: PictureSize, lock: int, *, checks_signature: bool
) -> None:
    """Packs the pictures of a packed data set again at another size, into `folder`, or writes there why they cannot be
    used. Raises SourceChanged and ChildFailed."""
    arguments = [str(source), str(packed), str(folder), str(size), *(["unchanged"] if checks_signature else [])]
    counts = read_card(packed).counts
    pictures = counts.train + (counts.validation or 0) + (counts.test or 0)
    seconds = max(MAX_SECONDS, pictures * SECONDS_A_PICTURE)
    scratch = folder.parent
    check(run_in_child("bakehouse.data.resizing", arguments, scratch=scratch, pass_fds=[lock], max_seconds=seconds))


def check(answer: JsonObject) -> None:
    """Raises SourceChanged and ChildFailed if the answer says so."""
    if "changed" in answer:
        raise SourceChanged
    if "unreadable" in answer:
        raise ChildFailed(answer["unreadable"])
