"""What every benchmark needs: a throw-away home, medians, and one way to print."""

import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bakehouse.cli.home import Home, home_running
from bakehouse.settings import Settings


@contextmanager
def running_home(*, workers: int = 1) -> Iterator[Home]:
    """Redis, service and workers on free ports, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        settings = Settings(home=Path(folder), port=0, redis_url=None, workers=workers)
        with home_running(settings) as home:
            yield home


def spread(values: Sequence[float], unit: str = "") -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.4g}{unit} ({low:,.4g} to {high:,.4g}, n = {len(values)})"


def machine() -> str:
    """Where the figures were taken, and with what."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "fastapi", "redis", "rq"))
    return f"{model}, Python {platform.python_version()}, {packages}"
