"""Reads the monotonic clock, which all processes on this machine share, and follows the clock of Redis."""

import time

# Python has CLOCK_BOOTTIME only on Linux. It counts the time that the machine sleeps, in which leases expire as well.
BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# Time after which Redis is asked for its time again, because clocks drift.
TRUSTED_MS = 10_000


def monotonic_ms() -> int:
    """Returns milliseconds since an unspecified moment; on Linux they include the time that the machine sleeps."""
    return time.clock_gettime_ns(BOOT_CLOCK) // 1_000_000


class RedisClock:
    """Returns Redis's time in milliseconds: the last time read from Redis, plus the time that has passed since."""

    def __init__(self) -> None:
        # Redis's clock minus this machine's clock, as measured when the latter showed `_read_ms`.
        self._offset_ms = 0
        # With this start value the clock must be read before its first use.
        self._read_ms = -TRUSTED_MS

    @property
    def must_be_read(self) -> bool:
        """Whether the last time read from Redis is too old to rely on."""
        return monotonic_ms() - self._read_ms > TRUSTED_MS

    def now(self) -> int:
        """Returns the present time; read Redis's time first if `must_be_read`."""
        return self._offset_ms + monotonic_ms()

    def set(self, milliseconds: int) -> None:
        """Notes the time that Redis has just sent."""
        self._read_ms = monotonic_ms()
        # Redis read its clock before the reply travelled here, so `now` lags behind Redis by that time.
        self._offset_ms = milliseconds - self._read_ms
