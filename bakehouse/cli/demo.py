"""`bakehouse demo`: trains two recipes side by side on this machine, and keeps only the best weights."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bakehouse.cli.code_command import script_of
from bakehouse.cli.exit_codes import ExitCode, exit_code_of
from bakehouse.cli.home.home import Home, home_running, program
from bakehouse.cli.show import ending
from bakehouse.cli.watch import print_results, watch
from bakehouse.client import Client, ClientRun
from bakehouse.model import JsonObject
from bakehouse.settings import Settings

RECIPES: tuple[JsonObject, ...] = (
    {"name": "plain", "dataset": "digits", "architecture": "mlp", "epochs": 40, "early_stopping": "none"},
    {
        "name": "bn-dropout",
        "dataset": "digits",
        "architecture": "mlp",
        "norm": "batch_norm",
        "dropout": 0.5,
        "epochs": 100,
        "early_stopping": 6,
    },
)


def run_demo(output: Path, *, keep: bool) -> ExitCode:
    """Starts a temporary home, trains the recipes in it, and saves the best weights at `output`."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-demo-") as folder:
        # These values override the user's settings: the demo must not touch a service that runs already.
        settings = Settings(home=Path(folder), port=0, redis_url=None, data=None, workers=2, device="cpu", threads=1)
        with home_running(settings) as home, Client(home.url) as client:
            print_message(f"Page    {home.url}     nothing leaves this machine")
            print_message("Data    digits 8x8, 1,797 images  Workers  2 on the CPU")
            runs = [client.submit(recipe) for recipe in RECIPES]
            views = watch(runs, as_json=False, timeout=None)
            code = exit_code_of(run.status for run in runs)
            for view in views:
                print_message(f"{view.label}: {ending(view)}")
            print_results(runs, views)
            if code == ExitCode.SUCCEEDED:
                save_best(runs, client, output)
            if keep:
                code = wait_for_interrupt(home)
    return code


def save_best(runs: Sequence[ClientRun], client: Client, output: Path) -> None:
    """Downloads the better weights and prints the script that loads them."""
    # Both recipes monitor the validation loss of the same rows, so the losses can be compared.
    better = min(runs, key=lambda run: run.best.value if run.best else float("inf"))
    better.download_best(output)
    print_message(
        f"\n{better.name} has the lower validation loss. Its best weights, verified, are in {output.absolute()}."
    )
    print_message("This script loads them in plain PyTorch, without Bakehouse:\n")
    print(script_of(better, client, output), flush=True)
    print_message(f"Next: `{program()} up` keeps a service running; `{program()} run RECIPE` trains your own.")


def wait_for_interrupt(home: Home) -> ExitCode:
    print_message(f"The page at {home.url} shows the runs until Ctrl-C.")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print_message("ended; only the best weights were kept")
        return ExitCode.INTERRUPTED


def print_message(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
