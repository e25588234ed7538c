"""Measures and limits the memory of processes."""

import os
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.memory import in_child

SAMPLED_SECONDS = 0.02


class Child:
    """A fork of this process that works, and then waits until it is ended."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._done, done = os.pipe()
        release, self._release = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                work()
                os.write(done, b"d")
                os.read(release, 1)
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)
        os.close(done)
        os.close(release)

    def wait_until_done(self) -> None:
        """Waits until the work is done."""
        if not os.read(self._done, 1):
            raise SystemExit("a training failed; its message is above")

    def peak_until_done(self) -> int:
        """Waits until the work is done; returns the most memory of its own that the process had above its start."""
        os.set_blocking(self._done, False)
        first = most = private_bytes(self.pid)
        while True:
            try:
                self.wait_until_done()
            except BlockingIOError:
                most = max(most, private_bytes(self.pid))
                time.sleep(SAMPLED_SECONDS)
            else:
                return most - first

    def end(self) -> None:
        """Lets the process end."""
        os.write(self._release, b"e")
        os.waitpid(self.pid, 0)


def private_bytes(pid: int) -> int:
    """Returns the memory of a process without the pages of files; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def available() -> int:
    """Returns the memory that the machine has free or can free."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def pss(pid: int) -> int:
    """Returns the proportional set size, in which a page that n processes share counts as 1 / n."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def pss_of_file(pid: int, folder: Path) -> int:
    """Returns the part of the proportional set size that maps the files of a folder."""
    total = 0
    is_inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            is_inside = str(folder) in line
        elif is_inside and name == "Pss:":
            total += int(values[0]) * 1024
    return total


def peak_of_command(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command; returns the most memory that it had without the pages of files."""
    child = subprocess.Popen(command, env={**os.environ, **environment})
    most = 0
    while child.poll() is None:
        most = max(most, private_bytes(child.pid))
        time.sleep(SAMPLED_SECONDS)
    if child.returncode:
        raise SystemExit(f"{command} has failed")
    return most


def forget_file(path: Path) -> None:
    """Asks the system to drop what it holds of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def can_limit() -> bool:
    """Whether this process may make a cgroup with a memory limit."""
    return in_child(try_limit) == (1,)


def try_limit() -> tuple[int]:
    try:
        with limited(1 << 30):
            return (1,)
    except OSError:
        return (0,)


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Puts this process into a cgroup with so much memory, which includes the pages of the files that it reads."""
    own, setting = find_cgroup()
    group = own / f"bakehouse-bench-{os.getpid()}"
    group.mkdir()
    try:
        (group / setting).write_text(str(size), encoding="ascii")
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        (own / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        group.rmdir()


def find_cgroup() -> tuple[Path, str]:
    """Returns the folder of this process's cgroup and the name of its memory limit, which differ between the versions
    of cgroups."""
    lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    paths = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    if "memory" in paths:
        return Path("/sys/fs/cgroup/memory", paths["memory"]), "memory.limit_in_bytes"
    return Path("/sys/fs/cgroup", paths[""]), "memory.max"
