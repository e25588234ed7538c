"""Identifies the processes that own runs, checks whether they are alive, and kills them."""

import os
import secrets
import signal
import socket
from pathlib import Path

from bakehouse.runs.record import Owner

START_TIME_FIELD = 21  # index in /proc/PID/stat, where the pid has index 0; see proc(5)


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
    """Returns whether the owner has certainly ended. An owner on another machine counts as alive."""
    # Only Linux has /proc; elsewhere a lost owner is noticed when its lease expires.
    return is_local(owner) and Path("/proc/self/stat").exists() and start_time(owner.pid) != owner.start_time


def kill(owner: Owner) -> bool:
    """Kills the owner if it is alive on this machine; returns whether it was. Spares a later process with its pid."""
    if not is_local(owner) or is_dead(owner):
        return False
    os.kill(owner.pid, signal.SIGKILL)
    return True


def is_local(owner: Owner) -> bool:
    return owner.host == socket.gethostname() and owner.boot_id == boot_id()


def boot_id() -> str:
    """Returns a name for the pids of one boot of the kernel; each container has its own pids and so its own name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        return "unknown"
    return f"{boot.read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"


def start_time(pid: int) -> int | None:
    """Returns the clock ticks from boot to the process's start, or None if the process is not running."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name is in parentheses and may itself contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended, although its parent has not collected its exit code.
    is_zombie = fields[0] in "ZX"
    # The first field after the name is the state, which has index 2 in the file.
    return None if is_zombie else int(fields[START_TIME_FIELD - 2])
