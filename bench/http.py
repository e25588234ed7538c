"""Measures the service's requests per second, and those of a bare Starlette route that reads the same hash."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from redis import Redis

from bakehouse.cli.home.redis_server import redis_server
from bench.report import cpu_seconds, spread

ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 32
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5}
BASELINE = Path(__file__).with_name("baseline_http.py")

Request = Callable[[], bytes]


@dataclass(frozen=True)
class Load:
    """The responses of one server within some seconds."""

    rate: float
    """Responses per second."""
    p99: float
    """Milliseconds within which 99 % of the responses came."""
    cpu: float
    """Milliseconds of processor time of the server, per response."""
    redis_cpu: float
    """Milliseconds of processor time of Redis, per response."""


@dataclass(frozen=True)
class Server:
    """A server on this machine, and the Redis that it uses."""

    pid: int
    port: int
    redis_pid: int

    def load(self, request: Request) -> Load:
        """Sends requests over 32 connections, each of which waits for its response."""
        cpu = cpu_seconds(self.pid)
        redis_cpu = cpu_seconds(self.redis_pid)
        times = sorted(asyncio.run(send_from_all(self.port, request)))
        per_response = 1000 / len(times)
        return Load(
            rate=len(times) / SECONDS,
            p99=times[len(times) * 99 // 100] * 1000,
            cpu=(cpu_seconds(self.pid) - cpu) * per_response,
            redis_cpu=(cpu_seconds(self.redis_pid) - redis_cpu) * per_response,
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_server(arguments: list[str], environment: dict[str, str], url: str) -> Iterator[int]:
    """Runs a server during the block, after it has answered; yields its pid."""
    with subprocess.Popen(arguments, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until_it_answers(url)
            yield server.pid
        finally:
            server.terminate()


def wait_until_it_answers(url: str) -> None:
    address = urlsplit(url)
    while True:
        # httpx would read the certificates of the system at each try, which takes processor time from the server.
        connection = HTTPConnection(str(address.hostname), address.port or 80)
        try:
            connection.request("GET", address.path)
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()


async def send_from_all(port: int, request: Request) -> list[float]:
    """Returns the seconds of each response."""
    deadline = time.perf_counter() + SECONDS
    times = await asyncio.gather(*(send_requests(port, request, deadline) for _ in range(CONNECTIONS)))
    return [seconds for each in times for seconds in each]


async def send_requests(port: int, request: Request, deadline: float) -> list[float]:
    """Sends requests over one connection until the deadline; returns the seconds of each response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    while (started := time.perf_counter()) < deadline:
        writer.write(request())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head or b" 201 " in head, head
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        times.append(time.perf_counter() - started)
    writer.close()
    return times


def get(path: str) -> Request:
    """Returns a function that returns the bytes of a GET request."""
    text = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    return lambda: text


def post_recipes() -> Request:
    """Returns a function that returns the bytes of a POST request with another seed each time."""
    seeds = count()

    def request() -> bytes:
        body = json.dumps({**RECIPE, "seed": next(seeds)})
        head = "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    return request


def print_load(what: str, loads: list[Load]) -> None:
    """Prints the rows of one kind of request."""
    print(f"| {what}, requests/s | {spread([load.rate for load in loads])} |")
    print(f"| {what}, p99 | {spread([load.p99 for load in loads], ' ms')} |")
    print(f"| {what}, CPU of the service a request | {spread([load.cpu for load in loads], ' ms')} |")
    print(f"| {what}, CPU of Redis a request | {spread([load.redis_cpu for load in loads], ' ms')} |", flush=True)


def main() -> None:
    """Prints a row for each figure."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        with Redis.from_url(redis_url) as redis:
            redis_pid = int(redis.info("server")["process_id"])
        port = free_port()
        bare_port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        url = f"http://127.0.0.1:{port}"
        with running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready") as pid:
            ours = Server(pid, port, redis_pid)
            run = httpx.post(f"{url}/v1/runs", json=RECIPE).json()
            bare = [sys.executable, "-P", str(BASELINE), redis_url, run["id"], str(bare_port)]
            with running_server(bare, {}, f"http://127.0.0.1:{bare_port}/") as bare_pid:
                theirs = Server(bare_pid, bare_port, redis_pid)
                reads = [(ours.load(get(f"/v1/runs/{run['id']}")), theirs.load(get("/"))) for _ in range(ROUNDS)]
            print_load("GET a run", [mine for mine, _ in reads])
            print_load("a bare Starlette route that reads the same hash", [other for _, other in reads])
            print(f"| ratio of their requests/s | {spread([mine.rate / other.rate for mine, other in reads])} |")
            print(f"| the same by CPU | {spread([other.cpu / mine.cpu for mine, other in reads])} |", flush=True)
            print_load("POST a run, accepted and durable", [ours.load(post_recipes()) for _ in range(ROUNDS)])
            pages = [ours.load(get("/v1/runs?dataset=digits&limit=20")) for _ in range(ROUNDS)]
            print_load("GET a page of 20 runs, one filter", pages)


if __name__ == "__main__":
    main()
