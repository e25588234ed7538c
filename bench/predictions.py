"""`python -m bench.predictions`: requests to predict one row a second that a home answers, and how long one takes.

The clients are processes of their own, because they take more processor time than the predictor. `--one-core` keeps the
service, Redis and the predictor on one core, and the clients on the others.
"""

import http.client
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bakehouse import Client
from bench.report import cpu_seconds, machine, running_home, spread

RECIPE = {"dataset": "iris", "architecture": "mlp", "epochs": 5, "early_stopping": "none"}
BODY = json.dumps({"rows": [[5.1, 3.5, 1.4, 0.2]]})
SECONDS = 8.0
WARM_SECONDS = 0.5
CLIENTS = (4, 16, 32)


def ask_for(seconds: float, url: str, path: str) -> list[float]:
    """Asks for predictions one after the other; returns the milliseconds of each."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port)
    taken = []
    ends_at = time.perf_counter() + seconds
    while (started := time.perf_counter()) < ends_at:
        connection.request("POST", path, BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def measure(url: str, path: str, clients: int) -> list[float]:
    """Returns the milliseconds of all requests of so many clients."""
    with ProcessPoolExecutor(clients) as processes:
        list(processes.map(ask_for, [WARM_SECONDS] * clients, [url] * clients, [path] * clients))
        found = processes.map(ask_for, [SECONDS] * clients, [url] * clients, [path] * clients)
        return [each for taken in found for each in taken]


def keep_on_one_core() -> None:
    """Keeps all processes of the home on the first core, and this one and its clients on the others."""
    cores = sorted(os.sched_getaffinity(0))
    for pid in process_tree(os.getpid())[1:]:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores[:1])
    os.sched_setaffinity(0, cores[1:] or cores)


def process_tree(pid: int) -> list[int]:
    """Returns a process and all that it has started, directly or not."""
    texts = [(thread / "children").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return [pid, *(each for text in texts for child in text.split() for each in process_tree(int(child)))]


def home_seconds(pids: list[int]) -> float:
    """Returns the processor time that processes have used; those that train are over."""
    return sum(cpu_seconds(pid) for pid in pids if Path(f"/proc/{pid}").exists())


def main() -> None:
    """Prints a line for one client and for several."""
    with running_home() as home, Client(home.url) as client:
        run = client.submit(RECIPE)
        run.wait(timeout=120)
        path = f"/v1/runs/{run.id}/checkpoints/best/predict"
        while httpx.post(f"{home.url}{path}", json=json.loads(BODY)).status_code == 503:
            time.sleep(0.2)
        print(f"{machine()}\n")
        pids = process_tree(os.getpid())[1:]
        if "--one-core" in sys.argv[1:]:
            keep_on_one_core()
        for clients in (1, *CLIENTS):
            started = home_seconds(pids)
            taken = measure(home.url, path, clients)
            used = 1000 * (home_seconds(pids) - started) / len(taken) * SECONDS / (SECONDS + WARM_SECONDS)
            rate = len(taken) / SECONDS
            print(
                f"{clients} clients: {rate:,.0f} predictions a second, {spread(taken, ' ms')}, "
                f"{used:.2f} ms of a core each, of service, Redis and predictor",
                flush=True,
            )


if __name__ == "__main__":
    main()
