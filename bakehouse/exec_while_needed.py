"""`python exec_while_needed.py DESCRIPTOR PROGRAM ...`: runs PROGRAM in its place, which gets SIGTERM when it is not
needed any more: when no process holds the writing end of the pipe whose reading end is DESCRIPTOR.

It is started with `python -I -S`, which takes milliseconds, so it may import only the standard library.
"""

import fcntl
import os
import select
import signal
import sys


def die_with_writers(descriptor: int) -> None:
    """Asks the kernel to send SIGTERM when the last writer of a pipe ends, and exits if none is left already.

    Only Linux sends this signal. Unlike the signal at a parent's death, it waits for the last of several processes.
    """
    if sys.platform == "linux":
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_ASYNC)
    # The last writer may have ended before the calls to fcntl.
    poll = select.poll()
    poll.register(descriptor, 0)
    if poll.poll(0):
        sys.exit("no process needs this program any more")


if __name__ == "__main__":
    die_with_writers(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
