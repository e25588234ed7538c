"""Measures the time until the service is ready, beside a process that only imports what every such service imports."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bakehouse.cli.home.redis_server import redis_server
from bench.http import free_port, running_server
from bench.report import cpu_seconds, resident_megabytes, spread

ROUNDS = 7
IMPORTS = [sys.executable, "-c", "import fastapi, uvicorn, redis.asyncio"]


def children_cpu() -> float:
    """Returns the processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_import() -> tuple[float, float]:
    """Returns the seconds of a new process that only imports, and those of its processor time."""
    cpu = children_cpu()
    started = time.perf_counter()
    subprocess.run(IMPORTS, check=True)
    return time.perf_counter() - started, children_cpu() - cpu


def measure_service(environment: dict[str, str], url: str) -> tuple[float, float, float]:
    """Returns the seconds until the service is ready, those of its processor time, and its memory in MB."""
    started = time.perf_counter()
    with running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready") as pid:
        seconds = time.perf_counter() - started
        cpu = cpu_seconds(pid)
        memory = resident_megabytes(pid)
    return seconds, cpu, memory


def main() -> None:
    """Prints a row for each figure."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        url = f"http://127.0.0.1:{port}"
        rounds = [(measure_service(environment, url), measure_import()) for _ in range(ROUNDS)]
    print(f"| start of the service until ready | {spread([ours[0] for ours, _ in rounds], ' s')} |")
    print(f"| `import fastapi, uvicorn, redis.asyncio` | {spread([other[0] for _, other in rounds], ' s')} |")
    print(f"| ratio of the two | {spread([ours[0] / other[0] for ours, other in rounds])} |")
    print(f"| the same by CPU | {spread([ours[1] / other[1] for ours, other in rounds])} |")
    print(f"| memory of the idle service | {spread([ours[2] for ours, _ in rounds], ' MB')} |", flush=True)


if __name__ == "__main__":
    main()
