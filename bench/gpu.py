"""`make gpu`: tests and measures Bakehouse on a GPU in at most eight minutes, and writes the tables into a file.

`python -m bench.gpu --device cpu` tries the program itself on a machine without a GPU.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import torch

from bakehouse import Client
from bakehouse.client.run import ClientRun
from bench.report import machine, running_home, spread

LIMIT_SECONDS = 480.0
CONTRACT_SECONDS = 200.0
MEASUREMENT_SECONDS = 60.0
CONTRACT_TESTS = ("tests/worker/test_contract.py", "tests/worker/training", "tests/worker/attempt/test_attempt.py")
RATES = Path(__file__).with_name("gpu_rates.py")
SIDES = ("plain", "tuned", "float32", "bfloat16", "compiled")
CASES = (("mlp", 128), ("mlp", 512), ("cnn", 128), ("cnn", 512), ("wide_resnet", 128), ("wide_resnet", 512))
SHORT = {"dataset": "digits", "architecture": {"type": "mlp", "hidden": [64]}, "epochs": 5, "early_stopping": "none"}
LONG = {
    "dataset": "digits",
    "architecture": {"type": "preresnet", "depth": 20},
    "norm": "batch_norm",
    "dropout": [{"type": "dropout", "rate": 0.2, "placement": "classifier"}],
    "augmentation": ["random_crop"],
    "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9},
    "schedule": "cosine",
    "epochs": 40,
    "early_stopping": {"type": "patience", "patience": 30},
}
KILLS = 4


class Report:
    """Writes lines to the terminal and to the report's file, and knows how much time is left."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.deadline = time.monotonic() + LIMIT_SECONDS

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def write(self, *lines: str) -> None:
        for line in lines:
            print(line, flush=True)
            print(line, file=self.file, flush=True)


def main() -> int:
    """Writes all tables; returns 1 if a test failed or a resumed run differs, and 2 if there is no such device."""
    arguments = parse_arguments()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        built_for = torch.version.cuda or "CPUs only"
        print(
            f"make gpu needs a CUDA GPU, and torch {torch.__version__} (built for {built_for}) finds none",
            file=sys.stderr,
        )
        return 2
    with arguments.output.open("w", encoding="utf-8") as file:
        report = Report(file)
        device = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "CPU"
        report.write(f"{datetime.now(UTC):%Y-%m-%d}, {device}, CUDA {torch.version.cuda}, {machine()}", "")
        are_bits_kept = [test_service(report, arguments.device), run_contract(report, arguments.device)]
        measure_rates(report, arguments.device, arguments.seconds)
        report.write("", f"{LIMIT_SECONDS - report.seconds_left():.0f} s in all; written to {arguments.output}")
    return 0 if all(are_bits_kept) else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Test and measure Bakehouse on a GPU.")
    parser.add_argument("--device", default="cuda", help="the device, as in BAKEHOUSE_DEVICE")
    parser.add_argument("--output", type=Path, default=Path("gpu.md"), help="the file for the tables")
    parser.add_argument("--seconds", type=float, default=2.0, help="the time of each measurement of a rate")
    return parser.parse_args()


def run_contract(report: Report, device: str) -> bool:
    """Runs the tests of all variants on the device; returns whether all have passed in time."""
    limit = min(CONTRACT_SECONDS, report.seconds_left())
    workers = str(min(10, os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "worksteal", *CONTRACT_TESTS]
    environment = {**os.environ, "BAKEHOUSE_TEST_DEVICE": device, "OMP_NUM_THREADS": "1"}
    report.write("", f"Tests of all variants on the device, at most {limit:.0f} s:", "")
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        report.write("- not finished in time")
        return False
    lines = ended.stdout.splitlines()
    report.write(*(f"- {line}" for line in lines if line.startswith(("FAILED", "ERROR"))), f"- {lines[-1]}")
    return ended.returncode == 0


@contextmanager
def home_on(device: str) -> Iterator[Client]:
    """Runs a home with two workers on one device; yields a client once both workers are idle."""
    # The home's processes read their settings from the environment.
    os.environ["BAKEHOUSE_DEVICE"] = device
    with running_home(workers=2) as home:
        client = Client(home.url)
        while sum(worker.status == "idle" for worker in client.workers()) < 2:
            time.sleep(0.1)
        yield client


def test_service(report: Report, device: str) -> bool:
    """Measures the service with two workers on one device; returns whether a killed run ended with the same bits."""
    with home_on(device) as client:
        firsts = [milliseconds_to_first_step(client, seed) for seed in range(7)]
        report.write("| what | figure |", "|---|---|", f"| POST to first step | {spread(firsts[1:], ' ms')} |")
        alone = client.submit(LONG)
        alone.wait(timeout=report.seconds_left())
        killed = client.submit({**LONG, "name": "killed"})
        beside = client.submit({**LONG, "seed": 1})
        kills = kill_while_training(client, killed, report)
        memory = memory_by_process() if device.startswith("cuda") else "not measured on a CPU"
        for run in (killed, beside):
            run.wait(timeout=report.seconds_left())
        is_same = digests(killed) == digests(alone)
        report.write(
            f"| a run killed {kills} times beside another run | {'the same bits' if is_same else 'OTHER BITS'} |",
            f"| its attempts, `exact` | {killed.record.attempt}, {killed.record.exact} |",
            f"| memory by process | {memory} |",
        )
    return is_same


def milliseconds_to_first_step(client: Client, seed: int) -> float:
    started = time.perf_counter()
    run = client.submit({**SHORT, "seed": seed})
    for event in run.stream():
        if event.type == "step":
            first = (time.perf_counter() - started) * 1000
            break
    run.wait(timeout=60)
    return first


def kill_while_training(client: Client, run: ClientRun, report: Report) -> int:
    """Kills the run's training process several times, each time a few epochs later; returns the number of kills."""
    kills = 0
    while kills < KILLS and report.seconds_left() > 0:
        run.refresh()
        if run.record.is_over:
            break
        if run.record.status == "running" and run.record.progress.epoch >= 3 * (kills + 1):
            kills += kill_children_of_worker(client, run.id)
        time.sleep(0.1)
    return kills


def kill_children_of_worker(client: Client, run_id: str) -> int:
    """Kills the process that trains a run; returns how many processes were killed."""
    children = [
        int(child)
        for worker in client.workers()
        if worker.run_id == run_id
        for child in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    ]
    for child in children:
        os.kill(child, signal.SIGKILL)
    return len(children)


def digests(run: ClientRun) -> list[str]:
    """Returns the digests of the best and the last weights. Others depend on the moments at which they were saved."""
    return [checkpoint.sha256 for checkpoint in run.checkpoints() if checkpoint.roles]


def memory_by_process() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown: there is no nvidia-smi"
    query = [program, "--query-compute-apps=pid,used_memory", "--format=csv,noheader"]
    return "; ".join(subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines())


def measure_rates(report: Report, device: str, seconds: float) -> None:
    """Writes a row for each model and batch size: samples a second of all sides, and ratios to both plain loops."""
    report.write("", "| model, batch | " + " | ".join(SIDES) + " | float32 / plain | best / tuned | waits a step |")
    report.write("|---|" + "---|" * (len(SIDES) + 3))
    for name, batch_size in CASES:
        if not report.seconds_left():
            report.write(f"| {name}, {batch_size} | left out: no time |" + " |" * (len(SIDES) + 2))
            continue
        measured = {side: measure(side, name, batch_size, seconds, device, report) for side in SIDES}
        rates = {side: item.get("samples_per_second") for side, item in measured.items()}
        ours = [rate for side in SIDES[2:] if (rate := rates[side])]
        waits = ", ".join(f"{measured[side].get('waits_per_step', '-')}" for side in SIDES[2:])
        cells = [f"{rate:,.0f}" if rate else measured[side]["error"] for side, rate in rates.items()]
        ratios = [ratio(rates["float32"], rates["plain"]), ratio(max(ours, default=None), rates["tuned"])]
        report.write(f"| {name}, {batch_size} | " + " | ".join([*cells, *ratios, waits]) + " |")


def ratio(above: float | None, below: float | None) -> str:
    return f"**{above / below:.2f}**" if above and below else "-"


def measure(side: str, name: str, batch_size: int, seconds: float, device: str, report: Report) -> dict[str, Any]:
    """Measures one side in a new process; returns its figures, or the last line of its error."""
    command = [sys.executable, "-P", str(RATES), side, name, str(batch_size), str(seconds), device]
    environment = {**os.environ, "PYTHONPATH": str(RATES.parent.parent)}
    limit = min(MEASUREMENT_SECONDS, report.seconds_left())
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"more than {limit:.0f} s"}
    if ended.returncode:
        return {"error": ended.stderr.strip().splitlines()[-1][:80]}
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    sys.exit(main())
