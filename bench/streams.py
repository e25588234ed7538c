"""Measures event streams under load: deliveries, delays, and the processor time and memory of the service.

`python -m bench.streams --beside PATH` measures the checkout at PATH in the same run, in turn with this one.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from bakehouse.cli.home.redis_server import redis_server
from bench.http import RECIPE, free_port
from bench.report import resident_megabytes

HERE = Path(__file__).parent
START_SECONDS = 60.0
# Redis syncs every write; on a disk that others use too, this would take longer than what is measured here.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Scenario:
    """What is fed and read. Each reader follows `runs_each` of the runs; 0 means the stream of one run."""

    name: str
    readers: int
    runs: int
    runs_each: int
    rate: float
    """Events a second of each run."""
    seconds: float = 10.0
    before: int = 0
    """Steps of each run that are logged before the readers come."""
    at_once: int = 50
    """Number of streams that are opened together."""
    idle: int = 0
    """Readers besides that never read."""


SCENARIOS = (
    Scenario("1,000 readers of the same 10 runs, 2 events a second each", 1000, 10, 10, 2),
    Scenario("1,000 readers of 10 of 50 runs, 2 events a second each", 1000, 50, 10, 2),
    Scenario("200 readers of one run, 50 events a second", 200, 1, 0, 50),
    Scenario("the same, and 100 readers that never read", 200, 1, 0, 50, idle=100),
    Scenario("300 streams at once, of 30 runs with 100 events", 300, 30, 0, 1, 1, before=100, at_once=300),
)


@contextmanager
def running_service(checkout: Path, redis_url: str, home: str) -> Iterator[tuple[int, int]]:
    """Runs the service of a checkout during the block; yields its pid and port."""
    port = free_port()
    settings = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": home, "BAKEHOUSE_PORT": str(port)}
    command = [sys.executable, "-m", "service"]
    with subprocess.Popen(
        command, cwd=checkout, env=of_checkout(checkout) | settings, stderr=subprocess.DEVNULL
    ) as service:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/healthz/ready")
            yield service.pid, port
        finally:
            service.terminate()


def of_checkout(checkout: Path) -> dict[str, str]:
    """Returns an environment in which a process imports the packages of the checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout)}


def wait_until_ready(url: str) -> None:
    """Returns when the service answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise TimeoutError(url)


def processor_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def requests_of(scenario: Scenario, runs: list[str]) -> list[str]:
    """Returns the request of each reader."""
    choice = random.Random(0)
    paths = []
    for number in range(scenario.readers):
        chosen = choice.sample(runs, scenario.runs_each)
        query = "&".join(f"run={run}" for run in sorted(chosen))
        paths.append(f"/v1/events?{query}" if chosen else f"/v1/runs/{runs[number % len(runs)]}/events")
    return [f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n" for path in paths]


@contextmanager
def child(program: str, arguments: list[str], checkout: Path) -> Iterator["subprocess.Popen[str]"]:
    """Runs a program of this folder with the packages of a checkout."""
    # -P because this folder has a module `http`.
    command = [sys.executable, "-P", str(HERE / program), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=of_checkout(checkout), text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def expect_line(stream: IO[str] | None) -> str:
    """Returns the next line of a child's output."""
    assert stream is not None
    line = stream.readline()
    assert line, "the child has ended"
    return line


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    """Writes a line to a child's input."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def measure(scenario: Scenario, checkout: Path) -> dict[str, Any]:
    """Runs a scenario with a fresh Redis and a fresh service."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bakehouse-bench-", dir=MEMORY))
        redis_url = stack.enter_context(redis_server(Path(folder)))
        pid, port = stack.enter_context(running_service(checkout, redis_url, folder))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            runs = [client.post("/v1/runs", json=RECIPE).json()["id"] for _ in range(scenario.runs)]
        figures = [redis_url, str(scenario.rate), str(scenario.seconds), str(scenario.before), *runs]
        feeder = stack.enter_context(child("stream_feeder.py", figures, checkout))
        expect_line(feeder.stdout)
        requests = requests_of(scenario, runs)
        for _ in range(scenario.idle):
            stack.enter_context(connection_that_never_reads(port, requests[0]))
        readers = stack.enter_context(child("stream_readers.py", [], checkout))
        steps = round(scenario.rate * scenario.seconds)
        expected = scenario.readers * (max(1, scenario.runs_each) * steps + scenario.before)
        order = {"port": port, "requests": requests, "expected": expected, "at_once": scenario.at_once}
        used = processor_seconds(pid)
        tell(readers, json.dumps(order))
        expect_line(readers.stdout)
        opening = 1000 * (processor_seconds(pid) - used) / scenario.readers
        return feed(feeder, readers, pid) | {"opening": opening}


def feed(feeder: "subprocess.Popen[str]", readers: "subprocess.Popen[str]", pid: int) -> dict[str, Any]:
    """Feeds until the end and returns what the readers and the service report."""
    used = processor_seconds(pid)
    started = time.monotonic()
    tell(feeder, "go")
    expect_line(feeder.stdout)
    tell(readers, "fed")
    figures: dict[str, Any] = json.loads(expect_line(readers.stdout))
    used = processor_seconds(pid) - used
    return figures | {"cpu": used / (time.monotonic() - started), "memory": resident_megabytes(pid),
                      "cpu_us": 1e6 * used / max(1, figures["delivered"])}  # fmt: skip


@contextmanager
def connection_that_never_reads(port: int, request: str) -> Iterator[None]:
    """Opens a stream with a small receive buffer during the block."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request.encode())
        yield


HEAD = """\
| scenario | code | delivered | repeated, skipped, ended | delay p50, p99, max \
| service: cores, µs a delivery, ms to open a stream \
| memory | slowest first byte, first event |
|---|---|---|---|---|---|---|---|"""


def row(scenario: Scenario, label: str, got: dict[str, Any]) -> str:
    """Returns the line of the table."""
    return (
        f"| {scenario.name} | {label} | {got['delivered']:,} of {got['expected']:,} "
        f"| {got['repeated']}, {got['skipped']}, {got['ended']} "
        f"| {got['p50']:.0f}, {got['p99']:.0f}, {got['max']:.0f} ms "
        f"| {got['cpu']:.2f}, {got['cpu_us']:.0f}, {got['opening']:.1f} "
        f"| {got['memory']:.0f} MB | {got['first_bytes']:.0f}, {got['first_events']:.0f} ms |"
    )


def main() -> None:
    """Prints a row for each scenario and checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--only", default="", help="a part of the scenario's name")
    options = parser.parse_args()
    checkouts = {"this": HERE.parent} | ({"beside": options.beside.resolve()} if options.beside else {})
    print(HEAD)
    for scenario in SCENARIOS:
        if options.only in scenario.name:
            for label, checkout in checkouts.items():
                print(row(scenario, label, measure(scenario, checkout)), flush=True)


if __name__ == "__main__":
    main()
