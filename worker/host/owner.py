"""The processes that own runs: which one this is, and whether another one still lives."""

import os
import secrets
import signal
import socket
from pathlib import Path

from bakehouse.runs.record import Owner

START_TIME_FIELD = 21  # of /proc/PID/stat, counted from the pid; proc(5)


def this_process() -> Owner:
    """Describes this process as an owner of runs, with a new nonce."""
    pid = os.getpid()
    return Owner(
        nonce=secrets.token_hex(16),
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        start_time=start_time(pid) or 0,
    )


def is_dead(owner: Owner) -> bool:
    """Tells whether the owner has certainly ended. An owner on another machine counts as alive: nobody can look."""
    return is_local(owner) and Path("/proc/self/stat").exists() and start_time(owner.pid) != owner.start_time


def kill(owner: Owner) -> bool:
    """Kills the owner if it lives on this machine; a process that got the same pid later is spared."""
    if not is_local(owner) or is_dead(owner):
        return False
    os.kill(owner.pid, signal.SIGKILL)
    return True


def is_local(owner: Owner) -> bool:
    return owner.host == socket.gethostname() and owner.boot_id == boot_id()


def boot_id() -> str:
    """Names one start of one kernel and, in it, one table of processes: each container has its own table."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        return "unknown"
    return f"{boot.read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"


def start_time(pid: int) -> int | None:
    """Returns the clock ticks from boot to the process's start; None if it does not run (any more)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in parentheses, may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    is_zombie = fields[0] in "ZX"
    return None if is_zombie else int(fields[START_TIME_FIELD - 2])
