"""Compares the memory that a recipe's estimate promises with what its training process uses: `python -m bench.memory`.

Each recipe trains in a fork of one process that has imported torch, as a worker's child does. The figure is the largest
resident memory of the fork, less its resident memory after it has trained one step of a small model, which loads the
pages of torch's libraries.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.settings import Settings
from worker.host.prefork import warm_up
from worker.train import train

MIB = 1 << 20
PACKING_SECONDS = 600.0
TEACHER: dict[str, Any] = {
    "dataset": "small", "architecture": {"type": "wide_resnet", "depth": 10}, "batch_size": 64,
}  # fmt: skip
CNN: dict[str, Any] = {"type": "cnn", "channels": [32, 64], "hidden": [128]}
WIDE: dict[str, Any] = {"type": "mlp", "hidden": [2048, 4096]}
RESNET: dict[str, Any] = {"dataset": "small", "architecture": {"type": "resnet", "depth": 20}, "batch_size": 256}
RECIPES: dict[str, dict[str, Any]] = {
    "linear": {"dataset": "digits", "architecture": "linear", "batch_size": 64},
    "wide MLP, Adam": {"dataset": "digits", "architecture": WIDE, "epochs": 10},
    "wide MLP, SGD": {
        "dataset": "digits", "architecture": WIDE, "optimizer": {"type": "sgd", "momentum": 0}, "epochs": 15,
    },
    "CNN, batch 512": {
        "dataset": "small", "architecture": CNN, "norm": "batch_norm", "dropout": 0.2, "batch_size": 512,
    },
    "VGG": {"dataset": "small", "architecture": "vgg", "batch_size": 128, "epochs": 6},
    "ResNet-20": RESNET,
    "ResNet-20, bfloat16": {**RESNET, "precision": "bfloat16"},
    "DenseNet-22": {"dataset": "small", "architecture": {"type": "densenet", "depth": 22}, "batch_size": 64},
    "LSTM": {"dataset": "steps", "architecture": {"type": "rnn", "hidden_size": 256}, "batch_size": 256},
    "CNN under attack": {
        "dataset": "small", "architecture": CNN, "batch_size": 256,
        "objective": {"adversarial": {"epsilon": 0.1, "steps": 2}},
    },
    "CNN, Monte Carlo": {
        "dataset": "small", "architecture": CNN, "dropout": 0.5, "batch_size": 256,
        "evaluation": {"monte_carlo_samples": 4},
    },
    "CNN that distils": {"dataset": "small", "architecture": CNN, "batch_size": 256},
    "MLP, 256 MiB of float32 images": {"dataset": "floats", "architecture": {"type": "mlp", "hidden": [64]}},
    "CNN, 256 MiB of uint8 images": {
        "dataset": "bytes", "architecture": {"type": "cnn", "channels": [8], "hidden": []}, "batch_size": 32,
        "epochs": 1,
    },
}  # fmt: skip
DISTILLS = "CNN that distils"


@dataclass(frozen=True)
class Measurement:
    """The memory of a training process beyond that of its parent, in bytes."""

    estimate: int
    used: int


def main(pattern: str = "*") -> None:
    """Prints the table of the recipes whose names match the pattern."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = Settings(home=root / "home", data=root / "data", device="cpu")
        # This process stays as small as the parent of the workers: its children would use memory that it has freed.
        warm_up()
        in_child(lambda: write_sets(root / "data"))
        print("| recipe | estimate | used | estimate / used |\n|---|---|---|---|")
        for name, recipe in RECIPES.items():
            if fnmatchcase(name, pattern):
                found = measure(distilled(settings) if name == DISTILLS else recipe, settings, root / "runs" / name)
                figures = f"{found.estimate / MIB:,.0f} MiB | {found.used / MIB:,.0f} MiB"
                print(f"| {name} | {figures} | {found.estimate / found.used:.2f} |", flush=True)


def write_sets(folder: Path) -> None:
    """Writes the data sets of the recipes that are not built in."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    labels = {rows: np.arange(rows) % 10 for rows in (600, 5461, 21845)}
    np.savez(folder / "small.npz", x=draw.integers(0, 256, (600, 3, 32, 32), dtype=np.uint8), y=labels[600])
    np.savez(folder / "steps.npz", x=draw.normal(size=(600, 50, 32)).astype("f4"), y=labels[600], kind="sequence")
    # 256 MiB each.
    np.savez(folder / "floats.npz", x=draw.random((5461, 3, 64, 64), dtype=np.float32), y=labels[5461])
    np.savez(folder / "bytes.npz", x=draw.integers(0, 256, (21845, 3, 64, 64), dtype=np.uint8), y=labels[21845])


def distilled(settings: Settings) -> dict[str, Any]:
    """Trains a teacher; returns the recipe that learns from it."""
    in_child(lambda: run(plan(TEACHER, settings), settings.trained / "teacher", settings))
    [teacher] = [record.id for _, record in LocalRuns(settings.trained)._records()]  # noqa: SLF001
    return {**RECIPES[DISTILLS], "objective": {"distillation": {"teacher": teacher}}}


def measure(recipe: dict[str, Any], settings: Settings, folder: Path) -> Measurement:
    """Trains a recipe in a child process."""
    # The data set is packed in another one.
    in_child(lambda: plan(recipe, settings))
    return Measurement(*in_child(lambda: train_measured(recipe, settings, folder)))


def plan(recipe: dict[str, Any], settings: Settings) -> Prepared:
    document = {"epochs": 3, **recipe}
    limits = Limits(parameters=10**9)
    runs = LocalRuns(settings.trained)
    return prepare(document, Catalog(settings), limits, runs=runs, wait_seconds=PACKING_SECONDS)


def train_measured(recipe: dict[str, Any], settings: Settings, folder: Path) -> tuple[int, int]:
    """Trains a recipe; returns its estimate and the bytes by which the resident memory of this process grew."""
    warm_up()
    # The number resets the largest resident memory (proc_pid_clear_refs in the kernel's documentation).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status_bytes("VmRSS") - status_bytes("RssFile")
    prepared = plan(recipe, settings)
    run(prepared, folder, settings)
    # Pages of the data set, which other processes share and the system can drop, are not counted.
    return prepared.plan.estimate.memory_bytes, status_bytes("VmHWM") - status_bytes("RssFile") - before


def in_child(function: Callable[[], object]) -> tuple[int, ...]:
    """Calls a function in a fork of this process; returns its result if it is a tuple of numbers."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = function()
            os.write(writing, json.dumps(result if isinstance(result, tuple) else ()).encode())
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit("a training failed; its message is above")
    return tuple(json.loads(text))


def run(prepared: Prepared, folder: Path, settings: Settings) -> None:
    """Trains in this process, without printing events."""
    folder.mkdir(parents=True)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    if code := train(prepared, folder, settings):
        raise SystemExit(code)


def status_bytes(name: str) -> int:
    """Returns a size from the status of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
