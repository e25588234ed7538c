"""`python -m tests.chaos`: the long form, then the negative controls.

CHAOS_SEED, FAULTS and RUNS in the environment choose what is done; the seed alone decides the faults and their order.
"""

import os
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.campaign import Options, run_campaign
from tests.chaos.controls import run_controls
from tests.chaos.recovery import measure_recovery
from tests.chaos.report import print_recovery, print_report


def main() -> int:
    """Runs a campaign; returns 1 if a promise was not kept."""
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(2**31))
    options = Options(
        seed=seed,
        faults=int(os.environ.get("FAULTS") or 500),
        runs=int(os.environ.get("RUNS") or 40),
        length=float(os.environ.get("LENGTH") or 4),
    )
    # Everything that was started must end, also after `kill`.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    print(f"CHAOS_SEED={seed} FAULTS={options.faults} RUNS={options.runs}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        report = run_campaign(Path(folder), options, say=lambda text: say(started, text))
        print_report(report)
    print("\nsingle kills, nothing else to wait for:", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        print_recovery(measure_recovery(Path(folder)))
    print("\nnegative controls:", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        wrong = run_controls(Path(folder), say=lambda text: say(started, text))
    print(*wrong, f"{len(wrong)} of the controls are wrong", sep="\n")
    return 1 if report.violations or wrong else 0


def say(started: float, text: str) -> None:
    print(f"{time.monotonic() - started:7.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
