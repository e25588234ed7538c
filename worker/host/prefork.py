"""`python -m worker.host.prefork`: imports and warms torch once, then forks this machine's workers
and keeps them running.

A worker that died is back in milliseconds, and sixteen of them share the memory of one. This process uses one
thread, no GPU and no Redis: after a second thread, or CUDA, children hang.
"""

import argparse
import json
import os
import signal
import socket
import threading
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import bakehouse.data
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from worker.data.dataset import load_data
from worker.device import device_class, device_memory, open_device, versions
from worker.host.owner import die_with_parent
from worker.host.rq_worker import serve
from worker.host.slots import Forked, Slot, end_all
from worker.training.training import Training

DIGITS = Path(bakehouse.data.__file__).parent / "builtin" / "digits"
WARM_UP = {
    "dataset": "digits",
    "architecture": {"type": "cnn", "channels": [4], "hidden": [8]},
    "norm": "batch_norm",
    "dropout": 0.5,
}
POLL_SECONDS = 0.1
# Less than the supervisor's own grace, so that it is this process that kills.
GRACE_SECONDS = 28.0


def warm_up() -> None:
    """One step of a small model: torch builds on first use what every child would build again."""
    torch.set_num_threads(1)
    plan = make_plan(read_recipe(WARM_UP), read_card(DIGITS))
    device = torch.device("cpu")
    training = Training(plan, load_data(plan, DIGITS, device), device)
    next(training.run())


def describe(settings: Settings) -> dict[str, Any]:
    """The device as a child sees it: this process must never open a GPU."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        device = open_device(settings)
        memory = device_memory(device, settings)
        about = {"device": device_class(device), "memory_bytes": memory, "versions": versions(device)}
        about["gpus"] = torch.cuda.device_count() if device.type == "cuda" else 0
        os.write(writing, json.dumps(about).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    about = json.loads(text)
    assert isinstance(about, dict)
    return about


def settings_of(settings: Settings, number: int, gpus: int) -> Settings:
    """Of one of the workers: a GPU each, in turn, unless one is named."""
    if gpus == 0 or settings.device not in ("auto", "cuda"):
        return settings
    return settings.model_copy(update={"device": f"cuda:{number % gpus}"})


def fork_worker(settings: Settings, about: dict[str, Any], name: str) -> Forked:
    """A worker that ends with this process. A name of its own each time: RQ remembers dead ones for a while."""
    nursery = os.getpid()
    unique = f"{name}-{nursery}-{int(monotonic() * 1000)}"

    def run() -> None:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The children of the worker read their settings anew.
        os.environ["BAKEHOUSE_DEVICE"] = settings.device
        die_with_parent(nursery, signal.SIGTERM)
        serve(settings, unique, about)

    return Forked(run)


def main() -> None:
    """Until SIGTERM, which lets the workers save their runs first."""
    parser = argparse.ArgumentParser(prog="python -m worker.host.prefork", description="This machine's workers.")
    parser.add_argument("--parent", type=int, help="end when this process does")
    arguments = parser.parse_args()
    if arguments.parent:
        die_with_parent(arguments.parent, signal.SIGTERM)
    settings, ending = Settings(), threading.Event()
    warm_up()
    about = describe(settings)
    gpus = about.pop("gpus")
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    names = [f"{socket.gethostname()}-{number}" for number in range(1, settings.workers + 1)]
    slots = [
        Slot(name, partial(fork_worker, settings_of(settings, number, gpus), about))
        for number, name in enumerate(names)
    ]
    while not ending.is_set():
        for slot in slots:
            slot.keep_running()
        ending.wait(POLL_SECONDS)
    end_all(slots, grace=GRACE_SECONDS)


if __name__ == "__main__":
    main()
