"""Ends a training process that makes no progress, so that another process can resume its run."""

import os
import sys
from time import monotonic

MIN_SECONDS = 60.0
MAX_SLOWDOWN = 10
# If ticks are further apart than this, the machine was suspended, and training does not hang.
SUSPEND_GAP_SECONDS = 5.0
# This is EX_SOFTWARE of sysexits.h: an internal error.
EXIT_CODE = 70


class Watchdog:
    """Limits the time of a unit of work to ten times that of the longest so far, but at least a minute.

    The first unit has no limit.
    """

    def __init__(self) -> None:
        self.units = 0
        """Number of units of work that are done; the training thread counts them."""
        self.is_waiting = False
        """Whether the training thread waits for Redis, the disk or the compiler; then the watchdog does not act."""
        self._units_seen = 0
        self._ticked_at = monotonic()
        self._changed_at = self._ticked_at
        self._longest = 0.0

    def tick(self) -> None:
        """Exits the process if training hangs. Another thread calls this a few times a second."""
        now = monotonic()
        was_suspended = now - self._ticked_at > SUSPEND_GAP_SECONDS
        self._ticked_at = now
        elapsed = now - self._changed_at
        if was_suspended or self.is_waiting:
            # Time spent waiting or suspended must not count as a long unit of work.
            self._changed_at = now
        elif self.units != self._units_seen:
            # The first unit is left out, because its time includes the set-up of the attempt.
            self._longest = max(self._longest, elapsed) if self._units_seen else 0.0
            self._units_seen = self.units
            self._changed_at = now
        elif self._units_seen and elapsed > max(MIN_SECONDS, MAX_SLOWDOWN * self._longest):
            print(f"training has made no progress for {elapsed:.0f} s: giving up", file=sys.stderr, flush=True)
            # `sys.exit` would end only this thread, and the training thread does not respond.
            os._exit(EXIT_CODE)
