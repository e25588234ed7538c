"""Measures the service's requests per second, and those of a bare Starlette route that reads the same hash."""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
PAGE = "/v1/runs?dataset=digits&limit=20"
ROOT = Path(__file__).parents[1]
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
def running_server(arguments: list[str], environment: dict[str, str], url: str, root: Path = ROOT) -> Iterator[int]:
    """Runs a server of a checkout during the block, after it has answered; yields its pid."""
    inherited = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(arguments, cwd=root, env={**inherited, **environment}, stderr=subprocess.DEVNULL) as server:
        try:
            while not answers(url):
                assert server.poll() is None, f"{arguments} has ended"
                time.sleep(0.005)
            yield server.pid
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Returns whether a server answers with 200."""
    address = urlsplit(url)
    # httpx would read the certificates of the system at each try, which takes processor time from the server.
    connection = HTTPConnection(str(address.hostname), address.port or 80)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
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
    print(f"| {what}, CPU of the server a request | {spread([load.cpu for load in loads], ' ms')} |")
    print(f"| {what}, CPU of Redis a request | {spread([load.redis_cpu for load in loads], ' ms')} |", flush=True)


def print_ratios(what: str, ours: list[Load], others: list[Load]) -> None:
    """Prints how many times as many requests a second the service answers, and per CPU second."""
    pairs = list(zip(ours, others, strict=True))
    print(f"| {what}: ratio of requests/s | {spread([mine.rate / other.rate for mine, other in pairs])} |")
    print(f"| {what}: the same by CPU | {spread([other.cpu / mine.cpu for mine, other in pairs])} |", flush=True)


@contextmanager
def running_service(root: Path) -> Iterator[tuple[Server, str, str]]:
    """Runs the service of a checkout with a Redis during the block; yields it with a run and the address of Redis."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        with Redis.from_url(redis_url) as redis:
            redis_pid = int(redis.info("server")["process_id"])
        port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        command = [sys.executable, "-m", "service"]
        url = f"http://127.0.0.1:{port}"
        with running_server(command, environment, f"{url}/healthz/ready", root) as pid:
            run = httpx.post(f"{url}/v1/runs", json=RECIPE).json()
            yield Server(pid, port, redis_pid), run["id"], redis_url


def measure_in_turn(servers: Sequence[Server], requests: Sequence[Request]) -> list[list[Load]]:
    """Returns the loads of each server, each with its own request, measured in turn."""
    rounds = [[server.load(request) for server, request in zip(servers, requests, strict=True)] for _ in range(ROUNDS)]
    return [list(loads) for loads in zip(*rounds, strict=True)]


def main(beside: Path | None = None) -> None:
    """Prints a row for each figure; with another checkout, also how many times as fast as that one this one is."""
    with ExitStack() as stack:
        ours, run_id, redis_url = stack.enter_context(running_service(ROOT))
        port = free_port()
        bare = [sys.executable, "-P", str(BASELINE), redis_url, run_id, str(port)]
        pid = stack.enter_context(running_server(bare, {}, f"http://127.0.0.1:{port}/", ROOT))
        servers = [ours, Server(pid, port, ours.redis_pid)]
        reads, bare_reads = measure_in_turn(servers, [get(f"/v1/runs/{run_id}"), get("/")])
        print_load("GET a run", reads)
        print_load("a bare Starlette route that reads the same hash", bare_reads)
        print_ratios("GET a run, over the bare route", reads, bare_reads)
        if beside is None:
            print_load("POST a run, accepted and durable", measure_in_turn([ours], [post_recipes()])[0])
        else:
            print_beside(ours, run_id, *stack.enter_context(running_service(beside))[:2])
        print_load("GET a page of 20 runs, one filter", measure_in_turn([ours], [get(PAGE)])[0])


def print_beside(ours: Server, run_id: str, other: Server, other_run_id: str) -> None:
    """Prints rows for another checkout, measured in turn with this one."""
    for what, mine, others in (
        ("POST a run, accepted and durable", post_recipes(), post_recipes()),
        ("GET a run", get(f"/v1/runs/{run_id}"), get(f"/v1/runs/{other_run_id}")),
        ("GET a page of 20 runs, one filter", get(PAGE), get(PAGE)),
    ):
        now, before = measure_in_turn([ours, other], [mine, others])
        print_load(what, now)
        print_load(f"{what}, other checkout", before)
        print_ratios(f"{what}, over the other checkout", now, before)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout to measure in turn")
    main(parser.parse_args().beside)
