"""This machine's own count of time."""

import time

BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic_ms() -> int:
    """Milliseconds; on Linux it goes on while the machine sleeps."""
    return time.clock_gettime_ns(BOOT_CLOCK) // 1_000_000
