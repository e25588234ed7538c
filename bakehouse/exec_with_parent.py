"""`python exec_with_parent.py PARENT PROGRAM ...`: runs PROGRAM in its place, which gets SIGTERM when PARENT dies.

A separate program sets this up, because Python code may hang after a process with threads is forked. It is started
with `python -I -S`, which takes milliseconds, so it may import only the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Asks the kernel to send a signal when the parent dies, and exits if the parent is already dead.

    Linux sends the signal when the parent's *thread* that started this process ends; other systems send no signal.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    # The parent may have died before the call to prctl.
    if os.getppid() != parent:
        sys.exit(f"the parent process {parent} has ended")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
