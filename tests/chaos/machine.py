"""What the chaos program needs from its machine: a disk that can fill up, a clock that can be set, and a list of the
processes of a home. Where the machine cannot give one, the faults that need it are left out, with the reason."""

import os
import shutil
import struct
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLOCK_SOURCE = Path(__file__).with_name("clock.c")
DISK_BYTES = 512 << 20


@dataclass(frozen=True)
class Disk:
    """A file system of its own in memory, which can be filled and made read-only."""

    folder: Path

    def fill(self) -> None:
        """Leaves no free byte."""
        usage = shutil.disk_usage(self.folder)
        self._remount(f"size={max(usage.used, 4096)}")

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
    wanted = f"BAKEHOUSE_HOME={home}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if wanted not in environment:
                continue
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text().rstrip("\0").split("\0")
        except (OSError, ValueError):
            continue  # it ended meanwhile
        if state not in "ZX":
            hosts = [entry[11:].decode() for entry in environment if entry.startswith(b"CHAOS_HOST=")]
            found.append(Found(int(folder.name), int(parent), "".join(hosts), tuple(command)))
    return found


def signal_all(pids: Iterator[int] | list[int], number: int) -> None:
    """Sends a signal; a process that has ended already is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
