"""Reads the monotonic clock, which all processes on this machine share."""

import time

# Python has CLOCK_BOOTTIME only on Linux. It counts the time that the machine sleeps, in which leases expire as well.
BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic_ms() -> int:
    """Returns milliseconds since an unspecified moment; on Linux they include the time that the machine sleeps."""
    return time.clock_gettime_ns(BOOT_CLOCK) // 1_000_000
