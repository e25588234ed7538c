"""Samples a second: a run through the whole product beside a plain PyTorch loop, in turn.

The product's figure has everything in it: event log, checkpoints, resume states, and the validation of an
epoch (on 1 % of the rows). The plain loop has none of these. One torch thread on both sides.
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
PLAIN = Path(__file__).with_name("baseline_loop.py")

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


def plain(name: str, folder: Path) -> float:
    """Samples a second of the plain loop, in a process of its own."""
    # -P: this folder has an http.py, which is not the one that torch imports.
    command = [sys.executable, "-P", str(PLAIN), name, str(folder / "x.npy"), str(folder / "y.npy"), str(SECONDS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def product(client: Client, recipe: dict[str, Any]) -> float:
    """Samples a second of a run, from its first step to its last."""
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
            pairs = [(product(client, recipe), plain(name, folder)) for _ in range(ROUNDS)]
            ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"| {label} | {spread(ours)} | {spread(theirs)} | **{ratio:.2f}** |", flush=True)


if __name__ == "__main__":
    print("| model | Bakehouse, samples/s | plain loop, samples/s | ratio |\n|---|---|---|---|")
    main()
