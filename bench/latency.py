"""Measures the time from POST to the first training step, that of a whole short run, and that from the end of an epoch
to the client; beside the first the time of a bare RQ queue on the same Redis."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from bakehouse import Client
from bench import baseline_rq
from bench.report import running_home, spread

ROUNDS = 30
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5, "epochs": 40}
ONE_EPOCH = {**RECIPE, "epochs": 1}
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Timeline:
    """Milliseconds after the POST of a run."""

    claimed: float
    first_step: float
    end: float
    epoch_delays: list[float]
    """Milliseconds from each epoch's log entry to this client."""


def follow_run(client: Client, recipe: dict[str, object], seed: int) -> Timeline:
    """Submits a recipe and follows its run to the end."""
    started = time.time()
    run = client.submit({**recipe, "seed": seed})
    at: dict[str, float] = {}
    delays = []
    for event in run.stream():
        logged = datetime.fromisoformat(event.time).timestamp()
        name = str(event.data["status"]) if event.type == "state" else event.type
        at.setdefault(name, (logged - started) * 1000)
        if event.type == "epoch":
            delays.append((time.time() - logged) * 1000)
    # RQ's worker is ready again some time after its child has ended.
    time.sleep(0.5)
    return Timeline(at["running"], at["step"], at["end"], delays)


@contextmanager
def bare_worker(redis_url: str) -> Iterator[None]:
    """Runs a bare RQ worker during the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-m", "bench.baseline_rq", redis_url], env=environment) as worker:
        try:
            yield
        finally:
            worker.terminate()


def time_bare_job(redis: Redis) -> float:
    """Returns the milliseconds from the enqueuing of a bare job until its child has trained a step."""
    queue = Queue(baseline_rq.QUEUE, connection=redis, serializer=JSONSerializer)
    url = f"unix://{redis.get_connection_kwargs()['path']}"
    started = time.time()
    queue.enqueue("bench.baseline_rq.job", url)
    popped = redis.blpop([baseline_rq.TIMES], timeout=60)
    assert isinstance(popped, list | tuple)
    time.sleep(0.5)
    return (float(popped[1]) - started) * 1000


def main() -> None:
    """Prints a row for each time."""
    with (
        running_home() as home,
        Redis.from_url(home.redis_url, socket_timeout=None) as redis,
        bare_worker(home.redis_url),
    ):
        client = Client(home.url)
        while not any(worker.status == "idle" for worker in client.workers()):
            time.sleep(0.1)
        # The first run and the first job of a worker are slower, and are not counted.
        follow_run(client, RECIPE, 0)
        time_bare_job(redis)
        long = []
        bare = []
        short = []
        for seed in range(1, ROUNDS + 1):
            long.append(follow_run(client, RECIPE, seed))
            bare.append(time_bare_job(redis))
            short.append(follow_run(client, ONE_EPOCH, seed))
    pairs = list(zip(long, bare, strict=True))
    delays = [delay for run in long for delay in run.epoch_delays]
    print(f"| POST to first step | {spread([run.first_step for run in long], ' ms')} |")
    print(f"| a bare RQ queue with a warmed parent | {spread(bare, ' ms')} |")
    print(f"| ratio of the two | {spread([run.first_step / other for run, other in pairs])} |")
    print(f"| POST to the claim by a worker's child | {spread([run.claimed for run in long], ' ms')} |")
    print(f"| claim to first step | {spread([run.first_step - run.claimed for run in long], ' ms')} |")
    print(f"| one epoch of digits, POST to end | {spread([run.end for run in short], ' ms')} |")
    print(f"| of that, claim to end | {spread([run.end - run.claimed for run in short], ' ms')} |")
    print(f"| epoch's log entry to the client's stream | {spread(delays, ' ms')} |", flush=True)


if __name__ == "__main__":
    main()
