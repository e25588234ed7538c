"""Measures samples per second of a run of the service and of a plain PyTorch loop, in turn, on one torch thread each.

The figure of the run includes its log, checkpoints, resume states and a validation each epoch (on 1 % of the rows). The
plain loop does none of this.
"""

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bakehouse import Client
from bakehouse.data.catalog import Catalog
from bakehouse.settings import Settings
from bench.report import running_home, spread

ROUNDS = 5
SECONDS = 12.0
BASELINE = Path(__file__).with_name("baseline_loop.py")

ENDLESS = {"epochs": 100_000, "early_stopping": "none", "time_budget_seconds": SECONDS}
RECIPES: dict[str, dict[str, Any]] = {
    "digits_mlp": {
        "dataset": {"id": "digits", "validation_fraction": 0.01},
        "architecture": {"type": "mlp", "hidden": [256, 256]},
        "norm": "batch_norm",
        "dropout": 0.5,
        "batch_size": 64,
        **ENDLESS,
    },
    "fashion_cnn": {
        "dataset": {"id": "fashion_mnist", "validation_fraction": 0.01},
        "architecture": {"type": "cnn", "channels": [32, 64], "convolutions": 2, "hidden": [128]},
        "norm": "batch_norm",
        "batch_size": 128,
        **ENDLESS,
    },
}


def measure_baseline(name: str, folder: Path) -> float:
    """Returns samples per second of the plain loop, which runs in a new process."""
    # -P keeps this folder out of the import path, so that torch does not import its http.py.
    command = [sys.executable, "-P", str(BASELINE), name, str(folder / "x.npy"), str(folder / "y.npy"), str(SECONDS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_run(client: Client, recipe: dict[str, Any]) -> float:
    """Returns samples per second of a run, from its first step to its last."""
    run = client.submit(recipe)
    run.wait(timeout=10 * SECONDS)
    rate = run.record.progress.samples_per_second
    assert run.status == "succeeded", run.status
    assert rate is not None
    return rate


def main() -> None:
    """Prints a row for each model, and one for the CNN in bfloat16."""
    recipes = {**RECIPES, "fashion_cnn, bfloat16": {**RECIPES["fashion_cnn"], "precision": "bfloat16"}}
    with running_home() as home:
        client, catalog = Client(home.url), Catalog(Settings(home=home.logs.parent))
        for label, recipe in recipes.items():
            name = label.partition(",")[0]
            folder = catalog.folder(recipe["dataset"]["id"], wait_seconds=120)
            pairs = [(measure_run(client, recipe), measure_baseline(name, folder)) for _ in range(ROUNDS)]
            ours = [pair[0] for pair in pairs]
            theirs = [pair[1] for pair in pairs]
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"| {label} | {spread(ours)} | {spread(theirs)} | **{ratio:.2f}** |", flush=True)


if __name__ == "__main__":
    print("| model | Bakehouse, samples/s | plain loop, samples/s | ratio |\n|---|---|---|---|")
    main()
