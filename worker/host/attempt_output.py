"""Writes what a training process prints into the log of its attempt."""

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.attempt_logs import MAX_BYTES, open_attempt_log
from bakehouse.runs.record import Record, rfc3339

CHECK_SECONDS = 1.0
OUTPUTS = (1, 2)
"""The file descriptors of stdout and stderr."""


@contextmanager
def log_output(artifacts: Artifacts, record: Record) -> Iterator[None]:
    """Appends stdout and stderr of this process to the log of the record's attempt during the block; then copies it to
    the worker's own stderr.

    The file descriptors themselves are redirected, so that the log also has what a crash or a child process writes.
    """
    with ExitStack() as stack:
        try:
            log = open_attempt_log(artifacts.attempts_folder(record.id), record.attempt)
            stack.callback(os.close, log)
            write(log, f"attempt {record.attempt} at {record.id} on {socket.gethostname()}, process {os.getpid()}")
        except OSError as error:
            # The attempt itself finds out whether the folder can be used, and says so in the run.
            print(f"The log of {record.id} cannot be written: {error.strerror}", file=sys.stderr, flush=True)
            yield
            return
        begin = os.lseek(log, 0, os.SEEK_END)
        stack.callback(copy, log, begin)
        stack.enter_context(redirect(log))
        stack.enter_context(limit_size(log))
        yield


def write(log: int, text: str) -> None:
    """Writes a line with the time."""
    os.write(log, f"{rfc3339(time.time_ns() // 1_000_000)} {text}\n".encode())


@contextmanager
def redirect(log: int) -> Iterator[None]:
    """Redirects stdout and stderr to the log during the block."""
    flush()
    saved = [os.dup(output) for output in OUTPUTS]
    for output in OUTPUTS:
        os.dup2(log, output)
    # A crash in compiled code then also leaves a traceback.
    faulthandler.enable()
    try:
        yield
    finally:
        flush()
        for output, before in zip(OUTPUTS, saved, strict=True):
            os.dup2(before, output)
            os.close(before)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # On a full disk the text is lost, which must not end the attempt.
        with suppress(OSError):
            stream.flush()


@contextmanager
def limit_size(log: int) -> Iterator[None]:
    """Drops the middle of the log whenever it is too large."""
    ended = threading.Event()

    def check() -> None:
        while not ended.wait(CHECK_SECONDS):
            with suppress(OSError):
                shorten(log)

    thread = threading.Thread(target=check, name="attempt-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def shorten(log: int) -> None:
    """Drops the middle of a log that is too large: half of the limit is kept at the beginning, a quarter at the end."""
    size = os.fstat(log).st_size
    if size <= MAX_BYTES:
        return
    end = os.pread(log, MAX_BYTES // 4, size - MAX_BYTES // 4)
    os.ftruncate(log, MAX_BYTES // 2)
    os.write(log, b"\n[output is left out here]\n" + end)


def copy(log: int, begin: int) -> None:
    """Copies the log from a position on to stderr, for the operator of the worker."""
    with suppress(OSError):
        os.write(2, os.pread(log, MAX_BYTES, begin))


def note_death(artifacts: Artifacts, record: Record, status: int) -> None:
    """Appends to the log of the record's attempt how its process died; `status` is that of `os.waitpid`."""
    note(artifacts, record, describe_death(os.waitstatus_to_exitcode(status)))


def note(artifacts: Artifacts, record: Record, text: str) -> None:
    """Appends a line to the log of the record's attempt."""
    # The log only helps people: the run goes on without it.
    with suppress(OSError), ExitStack() as stack:
        log = open_attempt_log(artifacts.attempts_folder(record.id), record.attempt)
        stack.callback(os.close, log)
        write(log, text)


def describe_death(code: int) -> str:
    if code >= 0:
        return f"the training process exited with code {code} before the end of the attempt"
    # Python has no names for most real-time signals.
    name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
    text = f"the training process was ended by {name}"
    memory = "; if nobody has sent this signal, the system did because memory was used up"
    return text + (memory if code == -signal.SIGKILL else "")
