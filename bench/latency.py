"""Measures the time from POST to the first training step, and from the end of an epoch to the client."""

import time
from datetime import datetime

from bakehouse import Client
from bench.report import running_home, spread

ROUNDS = 20
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5, "epochs": 40}


def measure_run(client: Client, seed: int) -> tuple[float, list[float]]:
    """Returns the milliseconds until the first step was logged, and those from each logged epoch to this client."""
    started = time.time()
    run = client.submit({**RECIPE, "seed": seed})
    first = 0.0
    delays = []
    for event in run.stream():
        logged = datetime.fromisoformat(event.time).timestamp()
        if event.type == "step" and not first:
            first = (logged - started) * 1000
        if event.type == "epoch":
            delays.append((time.time() - logged) * 1000)
    time.sleep(0.5)
    return first, delays


def main() -> None:
    """Prints a row for each of the two times."""
    with running_home() as home:
        client = Client(home.url)
        while not any(worker.status == "idle" for worker in client.workers()):
            time.sleep(0.1)
        measure_run(client, 0)  # the first run of a worker is slower, and is not counted
        measured = [measure_run(client, seed) for seed in range(1, ROUNDS + 1)]
    firsts = [first for first, _ in measured]
    delays = [delay for _, delays_of_run in measured for delay in delays_of_run]
    print(f"| POST to first step | {spread(firsts, ' ms')} |")
    print(f"| epoch's log entry to the client's stream | {spread(delays, ' ms')} |")


if __name__ == "__main__":
    main()
