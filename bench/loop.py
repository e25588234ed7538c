"""Measures the training of the service beside two loops in plain PyTorch, in turn, on one torch thread each:
`python -m bench.loop [ROUNDS]`, about three minutes.

Each figure of the service includes its log in Redis, its checkpoints, resume states and a validation each epoch (on 1 %
of the rows). The other loops do none of this. A warm-up is left out on all sides.
"""

import io
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from rq.job import Job
from torch import Tensor

from bakehouse import Client
from bakehouse.data.catalog import Catalog
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bench.report import running_home, spread
from worker.host.jobs import redis_url_of, train_next
from worker.host.prefork import warm_up
from worker.training.training import Training

ROUNDS = 5
WARM_UP = 0.4
SECONDS = 1.2
BASELINE = Path(__file__).with_name("baseline_loop.py")
# The same limits as in worker/device.py, which sets them with `mallopt`.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

ENDLESS = {"norm": "batch_norm", "epochs": 100_000, "early_stopping": "none"}
FASHION = {"dataset": {"id": "fashion_mnist", "validation_fraction": 0.01}, "batch_size": 128, **ENDLESS}
RECIPES: dict[str, dict[str, Any]] = {
    "digits_mlp": {
        **ENDLESS,
        "dataset": {"id": "digits", "validation_fraction": 0.01},
        "architecture": {"type": "mlp", "hidden": [256, 256]},
        "dropout": 0.5,
        "batch_size": 64,
    },
    "digits_mlp, validation on 20 %": {
        **ENDLESS,
        "dataset": {"id": "digits"},
        "architecture": "mlp",
        "dropout": 0.5,
    },
    "fashion_cnn": {**FASHION, "architecture": {"type": "cnn", "channels": [32, 64], "convolutions": 2, "hidden": 128}},
    "fashion_cnn, bfloat16": {
        **FASHION,
        "architecture": {"type": "cnn", "channels": [32, 64], "convolutions": 2, "hidden": 128},
        "precision": "bfloat16",
    },
    "preresnet_20": {**FASHION, "architecture": {"type": "preresnet", "depth": 20}},
    "wide_resnet_16_2": {**FASHION, "architecture": {"type": "wide_resnet", "depth": 16, "width": 2}},
    "fashion_lstm": {**FASHION, "architecture": {"type": "rnn", "hidden_size": 128}, "norm": "none"},
}


@dataclass(frozen=True)
class Rates:
    """Samples per second of wall time and of processor time."""

    wall: float
    cpu: float


class Measured(Exception):
    """Raised to end a run when its rates are known."""


class Clock:
    """Counts the rows of a training after its warm-up, and sends its rates."""

    def __init__(self, sender: Connection) -> None:
        self.sender = sender
        self.begin = perf_counter()
        self.cpu: float | None = None
        self.rows = 0

    def count(self, rows: int) -> None:
        """Counts a step. Raises Measured."""
        now = perf_counter()
        if self.rows == 0 and self.cpu is None:
            # The first step: the warm-up begins.
            self.begin = now
            self.cpu = 0.0
        if self.cpu:
            self.rows += rows
            if now - self.begin > SECONDS:
                self.sender.send(Rates(self.rows / (now - self.begin), self.rows / (process_time() - self.cpu)))
                # The traceback of this end would hide the table.
                sys.stderr = io.StringIO()
                raise Measured
        elif now - self.begin > WARM_UP:
            self.begin = now
            self.cpu = process_time()


def train_measured(sender: Connection) -> None:
    """Trains the next run as a worker's child does, and sends its rates."""
    update = Training.update
    clock = Clock(sender)

    def update_and_count(training: Training, inputs: Tensor, targets: Tensor) -> None:
        update(training, inputs, targets)
        clock.count(len(inputs))

    Training.update = update_and_count  # type: ignore[method-assign, assignment]
    settings = Settings()
    redis = connect(redis_url_of(settings), patient=True)
    store = Store(redis, lease_seconds=settings.lease_seconds)
    train_next(settings, store, WakeQueue(redis), sys.maxsize, lambda _: None, Job(connection=redis))


def measure_run(client: Client, recipe: dict[str, Any]) -> Rates:
    """Returns the rates of a run in a process that is forked like a worker's child."""
    client.submit(recipe)
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=train_measured, args=(sender,))
    child.start()
    rates = receiver.recv()
    child.join()
    assert isinstance(rates, Rates)
    return rates


class Loop:
    """A process with a plain or a tuned loop."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def measure(self, model: str, folder: Path) -> Rates:
        """Returns the rates of a model on a packed data set."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(model, folder / "x.npy", folder / "y.npy", WARM_UP, SECONDS, file=self.process.stdin, flush=True)
        wall, cpu = self.process.stdout.readline().split()
        return Rates(float(wall), float(cpu))


@contextmanager
def running_loop(kind: str, environment: dict[str, str]) -> Iterator[Loop]:
    """Runs the process of a loop during the block."""
    # -P keeps this folder out of the import path, so that torch does not import its http.py.
    command = [sys.executable, "-P", str(BASELINE), kind]
    inherited = {**os.environ, **environment}
    with subprocess.Popen(command, env=inherited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Loop(process)
        finally:
            process.kill()


def compare(ours: list[Rates], theirs: list[Rates]) -> str:
    """Returns the medians and ranges of the ratios, by wall time and by processor time, as two columns."""
    wall = [a.wall / b.wall for a, b in zip(ours, theirs, strict=True)]
    cpu = [a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)]
    return " | ".join(f"**{statistics.median(r):.2f}** ({min(r):.2f} to {max(r):.2f})" for r in (wall, cpu))


def main(rounds: int = ROUNDS) -> None:
    """Prints a row for each recipe."""
    loops = ("plain loop", "tuned loop")
    ratios = [f"/ {loop}{by}" for loop in loops for by in ("", ", CPU time")]
    print(f"| model | {' | '.join(f'{name}, samples/s' for name in ('Bakehouse', *loops))} | {' | '.join(ratios)} |")
    print(f"|---{'|---' * 7}|")
    warm_up()
    with running_home(workers=0) as home, running_loop("plain", {}) as plain, running_loop("tuned", ALLOCATOR) as tuned:
        folder = home.logs.parent
        os.environ |= {"BAKEHOUSE_HOME": str(folder), "BAKEHOUSE_REDIS_URL": home.redis_url, "BAKEHOUSE_DEVICE": "cpu"}
        client, catalog = Client(home.url), Catalog(Settings(home=folder))
        for label, recipe in RECIPES.items():
            packed = catalog.folder(recipe["dataset"]["id"], wait_seconds=120)
            model = label.partition(",")[0]
            turns = [
                (measure_run(client, recipe), plain.measure(model, packed), tuned.measure(model, packed))
                for _ in range(rounds)
            ]
            ours, of_plain, of_tuned = ([turn[place] for turn in turns] for place in range(3))
            walls = " | ".join(spread([rates.wall for rates in side]) for side in (ours, of_plain, of_tuned))
            print(f"| {label} | {walls} | {compare(ours, of_plain)} | {compare(ours, of_tuned)} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
