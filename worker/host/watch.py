"""Measures time by this machine's monotonic clock, because Redis's clock may be set forward or back at any moment."""

from collections.abc import Collection

from bakehouse.runs.clock import monotonic_ms


def seconds_up() -> float:
    """Returns seconds by a clock that also counts while this machine sleeps, because leases expire meanwhile."""
    return monotonic_ms() / 1000


class Watch:
    """Measures for how long each of several values has not changed."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, float]] = {}

    def seconds(self, name: str, value: object) -> float:
        """Returns the time since this value was first seen under this name, with no other value in between."""
        if name not in self._seen or self._seen[name][0] != value:
            self._seen[name] = (value, seconds_up())
        return seconds_up() - self._seen[name][1]

    def keep(self, names: Collection[str]) -> None:
        """Forgets the values under all other names."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
