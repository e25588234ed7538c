"""From POST to the first training step, and from an epoch's end to the client, on an idle worker."""

import time
from datetime import datetime

from bakehouse import Client
from bench.report import running_home, spread

ROUNDS = 20
RECIPE = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5, "epochs": 40}


def first_step(client: Client, seed: int) -> tuple[float, list[float]]:
    """Milliseconds until the first step was in the log, and how late each epoch reached this client."""
    started = time.time()
    run = client.submit({**RECIPE, "seed": seed})
    first, late = 0.0, []
    for event in run.stream():
        happened = datetime.fromisoformat(event.time).timestamp()
        if event.type == "step" and not first:
            first = (happened - started) * 1000
        if event.type == "epoch":
            late.append((time.time() - happened) * 1000)
    time.sleep(0.5)
    return first, late


def main() -> None:
    """Prints two rows."""
    with running_home() as home:
        client = Client(home.url)
        while not any(worker.status == "idle" for worker in client.workers()):
            time.sleep(0.1)
        first_step(client, 0)
        measured = [first_step(client, seed) for seed in range(1, ROUNDS + 1)]
    print(f"| POST to first step | {spread([first for first, _ in measured], ' ms')} |")
    print(f"| epoch's log entry to the client's stream | {spread([x for _, late in measured for x in late], ' ms')} |")


if __name__ == "__main__":
    main()
