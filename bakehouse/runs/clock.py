"""This machine's monotonic clock."""

import time

BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic_ms() -> int:
    """Returns milliseconds since some moment; on Linux the time that the machine sleeps is counted too."""
    return time.clock_gettime_ns(BOOT_CLOCK) // 1_000_000
