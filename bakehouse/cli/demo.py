"""`bakehouse demo`: two recipes side by side on this machine; nothing stays behind but the best weights."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakehouse.cli.code_command import code_of
from bakehouse.cli.home import Home, home_running, program
from bakehouse.cli.tables import results_table
from bakehouse.cli.view import View
from bakehouse.cli.watch import exit_code, watch, why
from bakehouse.client import Client, ClientRun
from bakehouse.settings import Settings

RECIPES: tuple[dict[str, Any], ...] = (
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
FILE = Path("bakehouse-demo-best.safetensors")


def bake(file: Path, *, keep: bool) -> int:
    """The whole demonstration; the exit code."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-demo-") as folder:
        settings = Settings(home=Path(folder), port=0, redis_url=None, data=None, workers=2, device="cpu", threads=1)
        with home_running(settings) as home, Client(home.url) as client:
            say_where(home)
            runs = [client.submit(recipe) for recipe in RECIPES]
            views = watch(runs, as_json=False, timeout=None)
            code = exit_code(run.status for run in runs)
            say_results(runs, views)
            if code == 0:
                offer_best(runs, client, file)
            if keep:
                stay(home)
    return code


def say_where(home: Home) -> None:
    """Before anything trains."""
    say(f"API     {home.url}/docs     nothing leaves this machine")
    say("Data    digits 8x8, 1,797 images  Worker  cpu x2")


def say_results(runs: Sequence[ClientRun], views: Sequence[View]) -> None:
    """Why each ended, and the table."""
    for view in views:
        say(f"{view.label}: {why(view)}")
    print(
        results_table([(run, view.label, view.best_numbers) for run, view in zip(runs, views, strict=True)]), flush=True
    )


def offer_best(runs: Sequence[ClientRun], client: Client, file: Path) -> None:
    """Both have the same monitor on the same rows, so that the lower one is the better."""
    better = min(runs, key=lambda run: run.best.value if run.best else float("inf"))
    sha256 = better.best_checkpoint().sha256
    better.download_best(file)
    say(f"\nThe best weights, {better.name}'s, are in {file.absolute()} (sha256 {sha256[:12]}…, verified).")
    say("In plain PyTorch, without Bakehouse:\n")
    print(code_of(better, client, file), flush=True)
    say(f"Next: `{program()} up` keeps a service running; `{program()} run RECIPE` trains your own.")


def stay(home: Home) -> None:
    """Until Ctrl-C."""
    say(f"{home.url} stays up until Ctrl-C.")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say("ended; nothing of it stays but the file")


def say(text: str) -> None:
    """Talk."""
    print(text, file=sys.stderr, flush=True)
