"""What the chaos program needs from its machine: a disk that can fill up, a clock that can be set, and a list of the
processes of a home. Where the machine cannot give one, the faults that need it are left out, with the reason."""

import os
import shutil
import struct
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import wait_until

CLOCK_SOURCE = Path(__file__).with_name("clock.c")
DISK_BYTES = 512 << 20
FIRST, SECOND = "first", "second"
"""The names of the hosts; Redis is on the first."""


@dataclass(frozen=True)
class Disk:
    """A file system of its own in memory, which can be filled and made read-only."""

    folder: Path

    def fill(self) -> None:
        """Leaves no free byte."""
        # A file that grows after the size was read makes the disk too small for what it has.
        wait_until(lambda: self._try_remount(f"size={max(shutil.disk_usage(self.folder).used, 4096)}"))

    def make_read_only(self) -> bool:
        """Returns whether that was possible: a file that is open for writing forbids it."""
        return self._try_remount("ro")

    def repair(self) -> None:
        """Makes the disk large and writable."""
        self._remount(f"rw,size={DISK_BYTES}")

    def _remount(self, options: str) -> None:
        assert self._try_remount(options), f"{self.folder} cannot be mounted again with {options}"

    def _try_remount(self, options: str) -> bool:
        command = ["mount", "-o", f"remount,{options}", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mounts a disk for the length of the block; yields None if this user may not."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        # Lazily: a process that is still ending may have a file open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True)
class Clock:
    """The clock of the processes that get `environment`: it differs from this machine's by a number of seconds."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program use this clock."""
        return {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK": str(self.file)}

    def jump(self, seconds: int) -> None:
        """Sets the clock forward, or back if `seconds` is negative."""
        (present,) = struct.unpack("q", self.file.read_bytes())
        # Written in place: the programs have mapped this file.
        with self.file.open("r+b") as file:
            file.write(struct.pack("q", present + seconds))


def make_clock(folder: Path) -> Clock | None:
    """Compiles the library that changes the clock; returns None where there is no compiler or no LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sysconfig.get_platform().split("-")[0] != "linux":
        return None
    clock = Clock(folder / "clock", folder / "clock.so")
    command = [compiler, "-shared", "-fPIC", "-O2", str(CLOCK_SOURCE), "-o", str(clock.library), "-ldl"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return None
    clock.file.write_bytes(struct.pack("q", 0))
    return clock


@dataclass(frozen=True)
class Found:
    """A process that belongs to a home."""

    pid: int
    parent: int
    host: str
    command: tuple[str, ...]

    @property
    def module(self) -> str:
        """The module that `python -m` runs; empty for another program."""
        return self.command[self.command.index("-m") + 1] if "-m" in self.command[:-1] else ""


def processes_of(home: Path) -> list[Found]:
    """Lists the running processes whose environment names this home."""
    found: list[Found] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            found += inspect(folder, home)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or belongs to somebody else
    return found


def inspect(folder: Path, home: Path) -> Iterator[Found]:
    """Yields the process if it runs and belongs to the home."""
    environment = (folder / "environ").read_bytes().split(b"\0")
    # Redis overwrites its environment and its command line by its title.
    is_redis = (folder / "cwd").readlink() == home / "redis"
    if not is_redis and f"BAKEHOUSE_HOME={home}".encode() not in environment:
        return
    state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
    command = ("redis",) if is_redis else (folder / "cmdline").read_text().rstrip("\0").split("\0")
    hosts = [entry.partition(b"=")[2].decode() for entry in environment if entry.startswith(b"CHAOS_HOST=")]
    if state not in "ZX":
        yield Found(int(folder.name), int(parent), FIRST if is_redis else "".join(hosts), tuple(command))


def signal_all(pids: Iterable[int], number: int) -> None:
    """Sends a signal; a process that has ended already is passed over."""
    for pid in pids:
        assert pid > 1, "0 means the whole group of processes"
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
