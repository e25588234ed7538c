"""Packs a data set in a child process."""

from pathlib import Path

from bakehouse.data.child_process import ChildFailed, run_in_child
from bakehouse.data.sources import Files


class SourceChanged(Exception):
    """Raised if the files changed while they were packed."""


def pack_in_child(files: Files, folder: Path, lock: int) -> None:
    """Packs into `folder`, or writes there why the files cannot be used. Raises SourceChanged and ChildFailed."""
    # The child inherits the lock, so that no other process packs the same files while it is still ending.
    answer = run_in_child("bakehouse.data.packing", [files.id, str(files.path), str(folder)], pass_fds=[lock])
    if "changed" in answer:
        raise SourceChanged
    if "unreadable" in answer:
        raise ChildFailed(answer["unreadable"])
