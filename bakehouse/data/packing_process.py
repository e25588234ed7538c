"""Packs a data set in a child process, whose memory and time are limited."""

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from bakehouse import exec_with_parent
from bakehouse.data.sources import Files

# This is longer than the child's limit on processor time, because it may wait for a slow disk.
MAX_PACKING_SECONDS = 1800
MAX_STALL_SECONDS = 60
"""Time after which a child is killed if it has used no processor time, for example because a network drive is gone."""
PACKAGE_ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class PackingFailed(Exception):
    """Raised if packing may succeed at another time; the message says what went wrong."""


class SourceChanged(Exception):
    """Raised if the files changed while they were packed."""


def pack_in_child(files: Files, folder: Path, lock: int) -> None:
    """Packs into `folder`, or writes there why the files cannot be used. Raises SourceChanged and PackingFailed."""
    # The child ends with this process: it would go on to write into a folder that was perhaps removed.
    starter = [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid())]
    command = [*starter, sys.executable, "-m", "bakehouse.data.packing", files.id, str(files.path), str(folder)]
    # The child's address space is limited, and each thread of BLAS would reserve a share of it for nothing.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        # In this working directory, `-m` finds the package even if it is not installed.
        command, cwd=PACKAGE_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        # The child inherits the lock, so that no other process packs the same files while it is still ending.
        stderr=subprocess.PIPE, text=True, pass_fds=[lock],
    )  # fmt: skip
    output, errors = _communicate(child)
    if child.returncode != 0:
        log.error("packing %s failed with exit code %d: %s", files.id, child.returncode, errors[-2000:])
        raise PackingFailed(f"packing it failed with exit code {child.returncode}; the log has the reason")
    answer = json.loads(output)
    if "changed" in answer:
        raise SourceChanged
    if "unreadable" in answer:
        raise PackingFailed(answer["unreadable"])


def _communicate(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Returns what the child has printed; kills a child that takes too long or waits for its files."""
    ends_at = time.monotonic() + MAX_PACKING_SECONDS
    used = -1.0
    while time.monotonic() < ends_at:
        try:
            return child.communicate(timeout=MAX_STALL_SECONDS)
        except subprocess.TimeoutExpired:
            before, used = used, processor_seconds(child.pid)
            if used == before:
                _kill(child)
                raise PackingFailed(f"its files could not be read for {MAX_STALL_SECONDS} seconds") from None
    _kill(child)
    raise PackingFailed(f"packing it took more than {MAX_PACKING_SECONDS} seconds")


def _kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    # A process that a dead network drive holds ends only when the drive is back.
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=1.0)


def processor_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    # This is the kernel's number for the clock of a process (CPUCLOCK_SCHED in posix-timers.h).
    return time.clock_gettime(~pid << 3 | 2)
