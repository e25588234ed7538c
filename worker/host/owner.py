"""Which process this is, whether another still lives, and dying with one's parent."""

import ctypes
import os
import secrets
import signal
import socket
import sys
from pathlib import Path

from bakehouse.runs.record import Owner

PR_SET_PDEATHSIG = 1  # linux/prctl.h
START_TIME_FIELD = 21  # of /proc/PID/stat, counted from the pid; proc(5)


def this_process() -> Owner:
    """This process as an owner of runs, with a new nonce."""
    pid = os.getpid()
    return Owner(
        nonce=secrets.token_hex(16),
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        start_time=start_time(pid) or 0,
    )


def is_dead(owner: Owner) -> bool:
    """Whether an owner on this machine, seen from the same process table, has ended. False elsewhere: who knows."""
    is_here = owner.host == socket.gethostname() and owner.boot_id == boot_id()
    return is_here and Path("/proc/self/stat").exists() and start_time(owner.pid) != owner.start_time


def kill(owner: Owner) -> bool:
    """Kills the owner if it is a living process of this machine; a pid that was used again is spared."""
    is_here = owner.host == socket.gethostname() and owner.boot_id == boot_id()
    if not is_here or is_dead(owner):
        return False
    os.kill(owner.pid, signal.SIGKILL)
    return True


def boot_id() -> str:
    """One start of one kernel, and in it one table of processes: containers have tables of their own."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        return "unknown"
    return f"{boot.read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process; None if there is none, or only its exit code is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces and parentheses of its own.
    fields = stat.rpartition(")")[2].split()
    is_zombie = fields[0] in "ZX"
    return None if is_zombie else int(fields[START_TIME_FIELD - 2])


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Gets the signal when the parent dies, or ends at once if it already has. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            sys.exit(f"the parent process {parent} is gone")
