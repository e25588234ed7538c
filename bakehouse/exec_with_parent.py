"""`python exec_with_parent.py PARENT PROGRAM ...`: becomes a program that gets SIGTERM when its parent dies.

It is a step between fork and exec, because Python code after the fork of a process with threads may hang. It
starts in milliseconds under `python -I -S`, so it imports the standard library alone.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Asks the kernel for a signal when the parent dies, and exits if the parent is dead already.

    Linux sends the signal when the parent's *thread* that started this process ends; other systems send none.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    # The parent may have died before the call.
    if os.getppid() != parent:
        sys.exit(f"the parent process {parent} has ended")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
