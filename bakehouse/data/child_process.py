"""Runs a module that reads a user's files in a child process, which is killed if it does not proceed.

The module limits its own memory and processor time, and prints lines of JSON: any number with a "stage" that tell how
far it has come, and one without, its answer.
"""

import json
import logging
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bakehouse import exec_with_parent
from bakehouse.model import JsonObject

MAX_SECONDS = 1800
"""This is longer than the child's limit on processor time, because it may wait for a slow disk."""
MAX_STALL_SECONDS = 60
"""Time after which a child is killed if it has used no processor time, for example because a network drive is gone."""
POLL_SECONDS = 0.5
SCRATCH_PREFIX = ".scratch-"
SCRATCH_SECONDS = 86_400.0
"""Age of a folder for temporary files from which no child has it any more."""
MAX_SHOWN_ERRORS = 2000
PACKAGE_ROOT = Path(__file__).parents[2]

Report = Callable[[JsonObject | None], None]

log = logging.getLogger(__name__)


class ChildFailed(Exception):
    """Raised if the child has crashed or did not proceed; it may succeed at another time."""


def run_in_child(
    module: str,
    arguments: Sequence[str],
    report: Report = lambda line: None,
    *,
    scratch: Path,
    pass_fds: Sequence[int] = (),
    max_seconds: float = MAX_SECONDS,
) -> JsonObject:
    """Returns the answer of a module, whose temporary files are in the folder `scratch`. `report` is called with
    each line that has a stage, and after half a second without any with None; if it raises, the child is killed. Raises
    ChildFailed."""
    # The child ends with this process: it would go on to write into a folder that was perhaps removed.
    starter = [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid())]
    # The child's memory is limited, and each thread of BLAS would reserve a share of it for nothing.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as errors, scratch_folder(scratch) as temporary:
        child = subprocess.Popen(
            [*starter, sys.executable, "-m", module, *arguments],
            # In this working directory, `-m` finds the package even if it is not installed.
            cwd=PACKAGE_ROOT, env={**environment, "TMPDIR": str(temporary)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors,
            pass_fds=pass_fds,
        )  # fmt: skip
        try:
            answer = follow(child, report, Stall(child.pid, max_seconds))
            code = child.wait(timeout=MAX_STALL_SECONDS)
        finally:
            end(child)
        if answer is None or code != 0:
            errors.seek(0)
            shown = errors.read().decode(errors="replace")[-MAX_SHOWN_ERRORS:]
            log.error("%s %s has ended with exit code %d: %s", module, arguments[0], code, shown)
            raise ChildFailed(f"reading it failed with exit code {code}; the log has the reason")
    return answer


@contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """Yields a folder for the temporary files of a child, and deletes it after the block."""
    # A process that was killed has left its own.
    for path in scratch.glob(f"{SCRATCH_PREFIX}*"):
        if time.time() - path.stat().st_mtime > SCRATCH_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=SCRATCH_PREFIX, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def end(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    assert child.stdout is not None
    child.stdout.close()
    # A process that a dead network drive holds ends only when the drive is back.
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=1.0)


def follow(child: "subprocess.Popen[bytes]", report: Report, stall: "Stall") -> JsonObject | None:
    """Reads what the child prints until it ends; returns its answer, None if it printed none."""
    answer = None
    assert child.stdout is not None
    for line in lines_of(child.stdout, stall):
        document = None if line is None else json.loads(line)
        if document is None or "stage" in document:
            report(document)
        else:
            answer = document
    return answer


def lines_of(pipe: IO[bytes], stall: "Stall") -> Iterator[bytes | None]:
    """Yields each line of a pipe, and None after each time without one."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            stall.check()
            if not selector.select(min(POLL_SECONDS, MAX_STALL_SECONDS)):
                yield None
                continue
            block = os.read(pipe.fileno(), 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from lines


class Stall:
    """Notices that a child takes too long, or waits for its files."""

    def __init__(self, pid: int, max_seconds: float) -> None:
        self._pid = pid
        self._max_seconds = max_seconds
        self._ends_at = time.monotonic() + max_seconds
        self._used = -1.0
        self._since = time.monotonic()

    def check(self) -> None:
        """Raises ChildFailed if the child has used no processor time for long, or has taken too long."""
        now = time.monotonic()
        used = processor_seconds(self._pid)
        if used != self._used:
            self._used = used
            self._since = now
        if now - self._since > MAX_STALL_SECONDS:
            raise ChildFailed(f"its files could not be read for {MAX_STALL_SECONDS} seconds")
        if now > self._ends_at:
            raise ChildFailed(f"it took more than {self._max_seconds:,.0f} seconds")


def processor_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    # This is the kernel's number for the clock of a process (CPUCLOCK_SCHED in posix-timers.h).
    return time.clock_gettime(~pid << 3 | 2)
