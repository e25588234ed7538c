"""Finds out how much of the pages of files memory may hold for this process."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
GROUPS = Path("/proc/self/cgroup")


def system_memory() -> int:
    """Returns the bytes of the machine's memory, or those that the cgroups of this process allow."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *cgroup_limits(GROUPS.read_text(encoding="utf-8"), ROOT)])


def cgroup_limits(groups: str, root: Path) -> Iterator[int]:
    """Yields the limits of the cgroups that the text of /proc/self/cgroup lists, and of those around them."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        # Version 2 has one tree; version 1 has one for each controller.
        if controllers not in ("", "memory"):
            continue
        top, name = (root, "memory.max") if controllers == "" else (root / "memory", "memory.limit_in_bytes")
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            file = folder / name
            if folder.is_relative_to(top) and file.exists():
                text = file.read_text(encoding="ascii").strip()
                if text != "max":
                    yield int(text)
