"""Measures the service's start-up time, memory and requests per second, and those of a bare Starlette route."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bakehouse.cli.home.redis_server import redis_server
from bench.report import spread

ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 32
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5}
BASELINE = Path(__file__).with_name("baseline_http.py")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_server(arguments: list[str], environment: dict[str, str], url: str) -> Iterator[tuple[int, float]]:
    """Runs a server during the block; yields its pid and the seconds until it answered."""
    started = time.perf_counter()
    with subprocess.Popen(arguments, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as server:
        try:
            while True:
                try:
                    if httpx.get(url).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.005)
            yield server.pid, time.perf_counter() - started
        finally:
            server.terminate()


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


async def measure_rate(port: int, request: bytes) -> float:
    """Returns responses per second over 32 connections, each of which waits for its response."""
    deadline = time.perf_counter() + SECONDS
    counts = await asyncio.gather(*(send_requests(port, request, deadline) for _ in range(CONNECTIONS)))
    return sum(counts) / SECONDS


async def send_requests(port: int, request: bytes, deadline: float) -> int:
    """Sends requests over one connection until the deadline; returns their number."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < deadline:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head or b" 201 " in head, head
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        count += 1
    writer.close()
    return count


def get(path: str) -> bytes:
    """Returns the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Returns the bytes of a POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def main() -> None:
    """Prints a row for each figure."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        port = free_port()
        bare_port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        service = [sys.executable, "-m", "service"]
        url = f"http://127.0.0.1:{port}"
        starts = []
        for _ in range(ROUNDS):
            with running_server(service, environment, f"{url}/healthz/ready") as (pid, seconds):
                starts.append(seconds)
                time.sleep(0.5)
                memory = resident_megabytes(pid)
        print(f"| start of the service until ready | {spread(starts, ' s')} |")
        print(f"| memory of the idle service | {memory:.0f} MB |", flush=True)
        with running_server(service, environment, f"{url}/healthz/ready"):
            body = json.dumps(RECIPE).encode()
            run = httpx.post(f"{url}/v1/runs", content=body, headers={"Content-Type": "application/json"}).json()
            bare = [sys.executable, "-P", str(BASELINE), redis_url, run["id"], str(bare_port)]
            with running_server(bare, {}, f"http://127.0.0.1:{bare_port}/"):
                request = get(f"/v1/runs/{run['id']}")
                reads = [
                    (asyncio.run(measure_rate(port, request)), asyncio.run(measure_rate(bare_port, get("/"))))
                    for _ in range(ROUNDS)
                ]
            print(f"| GET a run, requests/s | {spread([ours for ours, _ in reads])} |")
            print(f"| a bare Starlette route that reads the same hash | {spread([theirs for _, theirs in reads])} |")
            print(f"| ratio of the two | {spread([ours / theirs for ours, theirs in reads])} |", flush=True)
            submitted = [asyncio.run(measure_rate(port, post("/v1/runs", body))) for _ in range(ROUNDS)]
            print(f"| POST a run, accepted and durable, requests/s | {spread(submitted)} |")


if __name__ == "__main__":
    main()
