"""Ends a training process that does nothing any more, so that another can go on with its run."""

import os
import sys
from time import monotonic

MIN_SECONDS = 60.0
MAX_SLOWDOWN = 10
# Ticks that are further apart mean that the observer slept, not the observed.
SUSPEND_GAP_SECONDS = 5.0
EXIT_CODE = 70


class Watchdog:
    """Allows a unit of work ten times the longest so far, and at least a minute; the first has no limit."""

    def __init__(self) -> None:
        self.units = 0
        """Raised by the training thread after each unit of work."""
        self.is_waiting = False
        """Set by the training thread while it waits for Redis or the disk."""
        self._seen = 0
        self._changed_at = self._ticked_at = monotonic()
        self._longest = 0.0

    def tick(self) -> None:
        """Called a few times a second from another thread."""
        now = monotonic()
        slept, self._ticked_at = now - self._ticked_at > SUSPEND_GAP_SECONDS, now
        if slept or self.is_waiting:
            self._changed_at = now
        elif self.units != self._seen:
            self._longest = max(self._longest, now - self._changed_at) if self._seen else 0.0
            self._seen, self._changed_at = self.units, now
        elif self._seen and now - self._changed_at > max(MIN_SECONDS, MAX_SLOWDOWN * self._longest):
            print(f"nothing finished for {now - self._changed_at:.0f} s: giving up", file=sys.stderr, flush=True)
            os._exit(EXIT_CODE)
