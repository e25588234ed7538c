"""Measures parallel downloads of ranges of a file beside nginx, and what slow clients cost others."""

import multiprocessing
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.runs.artifacts import WEIGHTS, Artifacts
from bakehouse.runs.store import Store, connect
from bench.http import free_port, get, running_server
from bench.report import spread
from tests.fake_worker import FakeWorker

ROUNDS = 5
DOWNLOADS = 100
FILE_BYTES = 64 << 20
RANGE_BYTES = (16 << 10, 1 << 20, 8 << 20)
RECEIVE_BYTES = 1 << 18
DRIBBLERS = 500
REQUESTS = 300
RECIPE = {"dataset": "iris", "architecture": "linear"}
# One process, like the service.
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=2048; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Source:
    """A server, its process, and the path of the file on it."""

    port: int
    pid: int
    path: str


@contextmanager
def running_nginx(file: Path) -> Iterator[Source]:
    """Runs nginx on the file during the block."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "install nginx-light first"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, port=port, root=file.parent))
        with subprocess.Popen([program, "-p", folder, "-c", configuration, "-e", f"{folder}/error.log"]) as process:
            try:
                wait_until_open(port)
                yield Source(port, process.pid, f"/{file.name}")
            finally:
                process.terminate()


def wait_until_open(port: int) -> None:
    while True:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)


def cpu_ms(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def download_ranges(source: Source, count: int) -> tuple[float, float]:
    """Downloads DOWNLOADS ranges of this many bytes at once; returns the seconds and the server's CPU milliseconds."""
    before, started = cpu_ms(source.pid), time.perf_counter()
    waiting = selectors.DefaultSelector()
    left = {}
    for number in range(DOWNLOADS):
        start = number * count % (FILE_BYTES - count + 1)
        connection = socket.create_connection(("127.0.0.1", source.port))
        fields = f"Range: bytes={start}-{start + count - 1}\r\nConnection: close\r\n\r\n"
        connection.sendall(get(source.path)().removesuffix(b"\r\n") + fields.encode())
        waiting.register(connection, selectors.EVENT_READ)
        left[connection] = count
    receive(waiting, left)
    return time.perf_counter() - started, cpu_ms(source.pid) - before


def receive(waiting: selectors.DefaultSelector, left: dict[socket.socket, int]) -> None:
    """Reads from all connections until each has given its bytes after the headers."""
    buffer = bytearray(RECEIVE_BYTES)
    has_headers = set()
    while left:
        for key, _ in waiting.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            received = connection.recv_into(buffer)
            if connection not in has_headers:
                has_headers.add(connection)
                head, _, body = bytes(buffer[:received]).partition(b"\r\n\r\n")
                assert b" 206 " in head, head
                received = len(body) if body or b"\r\n\r\n" in buffer[:received] else 0
            left[connection] -= received
            if not left[connection]:
                waiting.unregister(connection)
                connection.close()
                del left[connection]


def compare_with_nginx(service: Source, nginx: Source) -> None:
    """Prints the rate of both and the ratio for each size of a range; the two sides are measured in turn."""
    for count in RANGE_BYTES:
        rates: dict[Source, list[float]] = {service: [], nginx: []}
        costs: dict[Source, list[float]] = {service: [], nginx: []}
        for _ in range(ROUNDS):
            for source in (service, nginx):
                seconds, cost = download_ranges(source, count)
                rates[source].append(DOWNLOADS * count / 1e6 / seconds)
                costs[source].append(cost)
        ratios = [ours / theirs for ours, theirs in zip(rates[service], rates[nginx], strict=True)]
        name = f"{DOWNLOADS} ranges of {count / 1024:,.0f} KiB at once"
        for source, title in ((service, "service"), (nginx, "nginx")):
            cost = statistics.median(costs[source])
            print(f"| {name}, {title} | {spread(rates[source], ' MB/s')}; {cost:.0f} ms CPU |")
        print(f"| {name}, ratio | {spread(ratios)} |")


def p99_of_requests(client: httpx.Client) -> float:
    """Returns the 99th percentile of the times of REQUESTS requests, in milliseconds."""
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        client.get("/v1/runs").raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(times, n=100)[98]


def compare_with_dribblers(service: Source) -> None:
    """Prints the 99th percentile of other requests with and without clients that are slow to read and to send."""
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=60) as client:
        p99_of_requests(client)
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(p99_of_requests(client))
            context = multiprocessing.get_context("spawn")
            are_open = context.Event()
            dribblers = context.Process(target=dribble, args=(service, are_open), daemon=True)
            dribblers.start()
            are_open.wait()
            beside.append(p99_of_requests(client))
            dribblers.kill()
            dribblers.join()
    print(f"| p99 of other requests, alone | {spread(alone, ' ms')} |")
    print(f"| p99 of other requests beside {DRIBBLERS} dribbling connections | {spread(beside, ' ms')} |")
    ratios = [slow / fast for slow, fast in zip(beside, alone, strict=True)]
    print(f"| ratio of the two | {spread(ratios)} |", flush=True)


def dribble(service: Source, are_open: Event) -> None:
    """Half of the connections read a download and half send a request, a few bytes at a time, until this is killed."""
    readers, senders = [], []
    for number in range(DRIBBLERS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        if number % 2:
            connection.sendall(get(service.path)())
            readers.append(connection)
        else:
            connection.sendall(b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
            connection.sendall(b"Content-Length: 1000\r\n\r\n")
            senders.append(connection)
    for connection in readers:
        connection.recv(1)
    are_open.set()
    while True:
        time.sleep(0.2)
        for connection in readers:
            with suppress(BlockingIOError):
                connection.recv(16, socket.MSG_DONTWAIT)
        for connection in senders:
            # The service ends a body that takes too long.
            with suppress(OSError):
                connection.send(b" ")


def main() -> None:
    """Prints a row for each figure."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        url = f"http://127.0.0.1:{port}"
        with running_server([sys.executable, "-m", "service"], environment, f"{url}/healthz/ready") as pid:
            run: str = httpx.post(f"{url}/v1/runs", json=RECIPE).json()["id"]
            worker = FakeWorker(Store(connect(redis_url, patient=False)), Artifacts(Path(folder) / "artifacts"))
            worker.claim(run)
            checkpoint = worker.save_best(run, 1, os.urandom(FILE_BYTES))
            service = Source(port, pid, f"/v1/runs/{run}/checkpoints/1/{WEIGHTS}")
            with running_nginx(worker.artifacts.checkpoint_path(run, checkpoint.sha256)) as nginx:
                compare_with_nginx(service, nginx)
            compare_with_dribblers(service)


if __name__ == "__main__":
    main()
