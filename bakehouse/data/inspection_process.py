"""Inspects an uploaded file in a child process, whose memory and time are limited."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bakehouse import exec_with_parent
from bakehouse.data.archives import ArchiveLimits
from bakehouse.data.listing import Inspection, Place
from bakehouse.data.packing_process import MAX_PACKING_SECONDS, MAX_STALL_SECONDS, PACKAGE_ROOT, processor_seconds

# The names, in the folder of its work, of what the child has read and of what it has packed.
SOURCE = "source"
PACKED = "packed"
POLL_SECONDS = 0.5
MAX_SHOWN_ERRORS = 2000

Report = Callable[[Inspection | None], None]


class InspectionFailed(Exception):
    """Raised if the child has crashed or did not proceed; the inspection may succeed at another time."""


@dataclass(frozen=True)
class Answer:
    """The outcome of an inspection: the fingerprint of the packed data, or the problem."""

    fingerprint: str | None = None
    problem: str | None = None
    place: Place | None = None


def inspect_in_child(name: str, file: Path, work: Path, limits: ArchiveLimits, report: Report) -> Answer:
    """Inspects a file; calls `report` at least twice a second. If that raises, the child is killed."""
    arguments = [name, str(file), str(work), limits.model_dump_json()]
    # The child ends with this process, whose successor starts again.
    starter = [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid())]
    command = [*starter, sys.executable, "-m", "bakehouse.data.inspection", *arguments]
    # The child's address space is limited, and each thread of BLAS would reserve a share of it for nothing.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, cwd=PACKAGE_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            answer = follow(child, report)
            code = child.wait(timeout=MAX_STALL_SECONDS)
        finally:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
        if answer is None or code != 0:
            errors.seek(0)
            log = errors.read().decode(errors="replace")[-MAX_SHOWN_ERRORS:]
            print(f"The inspection of {name} has ended with exit code {code}: {log}", file=sys.stderr, flush=True)
            raise InspectionFailed(f"its process has ended with exit code {code}")
    return answer


def follow(child: "subprocess.Popen[bytes]", report: Report) -> Answer | None:
    """Reads what the child prints until it ends; returns its answer, None if it printed none."""
    answer = None
    assert child.stdout is not None
    for line in lines_of(child.stdout, Stall(child.pid)):
        document = None if line is None else json.loads(line)
        if document is None:
            report(None)
        elif "stage" in document:
            report(Inspection(stage=document["stage"], done_bytes=document.get("done", 0)))
        elif "fingerprint" in document:
            answer = Answer(fingerprint=document["fingerprint"])
        else:
            place = document.get("place")
            answer = Answer(problem=document["problem"], place=Place(**place) if place else None)
    return answer


def lines_of(pipe: IO[bytes], stall: "Stall") -> Iterator[bytes | None]:
    """Yields each line of a pipe, and None after each time without one."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            stall.check()
            if not selector.select(POLL_SECONDS):
                yield None
                continue
            block = os.read(pipe.fileno(), 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from lines


class Stall:
    """Notices that a child takes too long, or waits for its files."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ends_at = time.monotonic() + MAX_PACKING_SECONDS
        self._used = -1.0
        self._since = time.monotonic()

    def check(self) -> None:
        """Raises InspectionFailed if the child has used no processor time for long, or has taken too long."""
        now = time.monotonic()
        used = processor_seconds(self._pid)
        if used != self._used:
            self._used = used
            self._since = now
        if now - self._since > MAX_STALL_SECONDS:
            raise InspectionFailed(f"it did not proceed for {MAX_STALL_SECONDS} seconds")
        if now > self._ends_at:
            raise InspectionFailed(f"it took more than {MAX_PACKING_SECONDS} seconds")
