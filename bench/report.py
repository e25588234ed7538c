"""A temporary home, the format of figures, and a description of the machine, for all benchmarks."""

import os
import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bakehouse.cli.home.home import Home, home_running
from bakehouse.settings import Settings


@contextmanager
def running_home(*, workers: int = 1) -> Iterator[Home]:
    """Runs Redis, the service and workers on free ports during the block, with state in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        settings = Settings(home=Path(folder), port=0, redis_url=None, workers=workers)
        with home_running(settings) as home:
            yield home


def spread(values: Sequence[float], unit: str = "") -> str:
    """Returns the median, range and number of values as text."""
    return f"{statistics.median(values):,.4g}{unit} ({min(values):,.4g} to {max(values):,.4g}, n = {len(values)})"


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Returns the memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def machine() -> str:
    """Returns the processor and the versions with which the figures were measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    model = models[0] if models else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "fastapi", "redis", "rq"))
    return f"{model}, Python {platform.python_version()}, {packages}"
