"""Measures training on a large set: `python -m bench.data [--mebibytes N] [--pictures N] [PART ...]`.

The parts are `shared` (the memory of four processes that train on one set), `throughput` (batches from the map beside
those from tensors in memory), `larger` (a set of twice the memory limit of a cgroup) and `pictures` (the memory of
packing very many small pictures, and of training on them).
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from bakehouse.data.catalog import Catalog
from bakehouse.data.signatures import compute_signature
from bakehouse.plan.plan import Plan
from bakehouse.prepare import Limits, prepare
from bakehouse.settings import Settings
from bench import process_memory
from bench.memory import in_child
from bench.process_memory import Child
from bench.report import spread
from worker.data.dataset import load_data
from worker.device import open_device
from worker.host.prefork import warm_up
from worker.training.training import Training

MIB = 1 << 20
CPU = torch.device("cpu")
SHAPE = (3, 32, 32)
PROCESSES = 4
ROUNDS = 5
SECONDS = 2.0
PACKING_SECONDS = 3600.0
SMALL = (8, 8)
DRAWN = 256
"""Number of different pictures of which the many are copies."""
CLASSES = 10
PARTS = ("shared", "throughput", "larger", "pictures")


def main() -> None:
    """Prints a table for each part."""
    parser = argparse.ArgumentParser(prog="python -m bench.data", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all by default")
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the set of the first three parts")
    parser.add_argument("--pictures", type=int, default=1_200_000, help="number of the small pictures")
    options = parser.parse_args()
    parts = options.parts or PARTS
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        settings = Settings(home=Path(folder) / "home", data=Path(folder) / "data", device="cpu")
        (Path(folder) / "data").mkdir()
        # Trainings are forks of this process, as they are of a worker, which has imported torch.
        warm_up()
        if set(parts) - {"pictures"}:
            in_child(lambda: write_arrays(Path(folder) / "data" / "big", options.mebibytes * MIB))
        for name, measure in (("shared", shared), ("throughput", throughput), ("larger", larger)):
            if name in parts:
                measure(settings)
        if "pictures" in parts:
            pictures(settings, options.pictures)


def write_arrays(folder: Path, size: int) -> None:
    """Writes pictures of random bytes that take this size, and their classes."""
    folder.mkdir()
    rows = size // int(np.prod(SHAPE))
    draw = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (rows, *SHAPE))
    for start in range(0, rows, 4096):
        x[start : start + 4096] = draw.integers(0, 256, x[start : start + 4096].shape, np.uint8)
    np.save(folder / "y.npy", draw.integers(0, CLASSES, rows))


def planned(settings: Settings, name: str = "big", **fields: Any) -> tuple[Plan, Path]:
    """Packs a set, and plans a small model for it; returns the folder with the packed set too."""
    catalog = Catalog(settings)
    document = {
        "dataset": {"id": name, "validation_fraction": 0.01, **fields},
        "architecture": {"type": "mlp", "hidden": [32]}, "batch_size": 128, "epochs": 1, "early_stopping": "none",
    }  # fmt: skip
    prepared = prepare(document, catalog, Limits(parameters=10**9), wait_seconds=PACKING_SECONDS)
    return prepared.plan, catalog.folder(name, wait_seconds=PACKING_SECONDS)


def held_in_memory() -> AbstractContextManager[object]:
    """Makes trainings copy all rows to tensors in the block."""
    return patch("bakehouse.plan.data_bytes.MAPPED_BYTES", 1 << 60)


def train(plan: Plan, folder: Path) -> None:
    """Trains to the end, with the device of a run."""
    open_device(Settings(device="cpu"))
    for _ in Training(plan, load_data(plan, folder, CPU), CPU, {}).run():
        pass


def shared(settings: Settings) -> None:
    """Prints how much memory several processes have that have trained on all rows of one set."""
    plan, folder = planned(settings)
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    print(f"\n| {PROCESSES} processes, a set of {size / MIB:,.0f} MiB | PSS of all | of it the set | PSS / set |")
    print("|---|---|---|---|")

    def copied() -> None:
        with held_in_memory():
            train(plan, folder)

    sides: dict[str, Callable[[], None]] = {"rows in the map": lambda: train(plan, folder)}
    if 2 * PROCESSES * size < process_memory.available():
        sides["rows copied to tensors"] = copied
    for name, work in sides.items():
        children = [Child(work) for _ in range(PROCESSES)]
        for child in children:
            child.wait_until_done()
        total = sum(process_memory.pss(child.pid) for child in children)
        of_set = sum(process_memory.pss_of_file(child.pid, folder) for child in children)
        print(f"| {name} | {total / MIB:,.0f} MiB | {of_set / MIB:,.0f} MiB | **{total / size:.2f}** |", flush=True)
        for child in children:
            child.end()


def throughput(settings: Settings) -> None:
    """Prints the rate of batches from the map beside that from tensors, and of training."""
    plan, folder = planned(settings)
    print("\n| | from the map, rows/s | from tensors, rows/s | ratio | ratio, CPU time |\n|---|---|---|---|---|")
    in_child(lambda: compare(plan, folder))


def compare(plan: Plan, folder: Path) -> None:
    """Measures both sides in turn."""
    open_device(Settings(device="cpu"))
    mapped = Training(plan, load_data(plan, folder, CPU), CPU, {})
    with held_in_memory():
        copied = Training(plan, load_data(plan, folder, CPU), CPU, {})
    for name, work in (("batches alone", take_batches), ("training of a small MLP", train_batches)):
        rates = [(rate(lambda: work(mapped)), rate(lambda: work(copied))) for _ in range(ROUNDS)]  # noqa: B023
        ratios, cpu_ratios = ([one[place] / other[place] for one, other in rates] for place in range(2))
        walls = [spread([pair[side][0] for pair in rates]) for side in range(2)]
        print(f"| {name} | {walls[0]} | {walls[1]} | {bold(ratios)} | {bold(cpu_ratios)} |", flush=True)


def take_batches(training: Training) -> Iterator[int]:
    """Makes batches without end; yields the number of rows of each."""
    step = 0
    while True:
        for _, targets in training.batches.from_step(step):
            yield len(targets)
            step += 1


def train_batches(training: Training) -> Iterator[int]:
    """Trains without end; yields the number of rows of each batch."""
    while True:
        for inputs, targets in training.batches.from_step(training.step):
            training.update(inputs, targets)
            yield len(targets)


def rate(work: Callable[[], Iterator[int]]) -> tuple[float, float]:
    """Returns rows per second of wall time and of processor time."""
    begin, cpu = perf_counter(), process_time()
    rows = 0
    for count in work():
        rows += count
        if perf_counter() - begin > SECONDS:
            return rows / (perf_counter() - begin), rows / (process_time() - cpu)
    raise AssertionError("the work has no end")


def bold(ratios: list[float]) -> str:
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"


def larger(settings: Settings) -> None:
    """Prints how fast a set of twice the memory is read for batches, beside the speed of the disk."""
    full, folder = planned(settings)
    blocks, _ = planned(settings, shuffle="blocks")
    size = (folder / "x.npy").stat().st_size
    if not process_memory.can_limit():
        print("\nA set larger than memory is not measured: this process may make no cgroup with a memory limit.")
        return
    print(f"\n| {size / MIB:,.0f} MiB of rows, memory limit {size / 2 / MIB:,.0f} MiB | MiB/s | of the disk's |")
    print("|---|---|---|")
    disk = in_child(lambda: within(size // 2, lambda: read_file(folder)))[0]
    print(f"| the file, in order (the disk's own speed) | {disk:,} | 1 |", flush=True)
    for name, plan in (("batches, shuffle `full`", full), ("batches, shuffle `blocks`", blocks)):
        found = in_child(lambda plan=plan: within(size // 2, lambda: read_batches(plan, folder)))[0]  # type: ignore[misc]
        print(f"| {name} | {found:,} | {found / disk:.2f} |", flush=True)


def within(limit: int, measure: Callable[[], int]) -> tuple[int]:
    """Measures with limited memory, without what the system holds of the files."""
    with process_memory.limited(limit):
        return (measure(),)


def read_file(folder: Path) -> int:
    """Returns the MiB per second at which the rows are read in order."""
    process_memory.forget_file(folder / "x.npy")
    begin = perf_counter()
    size = 0
    with (folder / "x.npy").open("rb", buffering=0) as file:
        while block := file.read(MIB):
            size += len(block)
    return round(size / MIB / (perf_counter() - begin))


def read_batches(plan: Plan, folder: Path) -> int:
    """Returns the MiB of rows per second that the batches of an epoch are made of, for ten seconds of it."""
    open_device(Settings(device="cpu"))
    training = Training(plan, load_data(plan, folder, CPU), CPU, {})
    process_memory.forget_file(folder / "x.npy")
    begin = perf_counter()
    rows = 0
    for _, targets in training.batches.from_step(0):
        rows += len(targets)
        if perf_counter() - begin > 5 * SECONDS:
            break
    return round(rows * plan.card.features / MIB / (perf_counter() - begin))


def pictures(settings: Settings, count: int) -> None:
    """Prints the memory that packing many small pictures takes, and that of a training."""
    assert settings.data is not None
    source = settings.data / "many"
    begin = perf_counter()
    in_child(lambda: write_pictures(source, count))
    print(f"\n{count:,} pictures of {SMALL[0]} x {SMALL[1]}, written in {perf_counter() - begin:,.0f} s")
    print("| | memory without mapped files | bytes a picture | seconds |\n|---|---|---|---|")
    target = settings.home / "simulation" / f"many-{compute_signature(source)}"
    target.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "bakehouse.data.packing", "many", str(source), str(target)]
    begin = perf_counter()
    peak = process_memory.peak_of_command(command, {"TMPDIR": str(target.parent)})
    show("packing", peak, count, perf_counter() - begin)
    plan, folder = planned(settings, "many", shuffle="blocks")
    begin = perf_counter()
    child = Child(lambda: train(plan, folder))
    peak = child.peak_until_done()
    child.end()
    show("a training of one epoch, `blocks`", peak, count, perf_counter() - begin)
    print(f"Estimate of the training: {plan.estimate.memory_bytes / MIB:,.0f} MiB")


def show(name: str, peak: int, count: int, seconds: float) -> None:
    print(f"| {name} | {peak / MIB:,.0f} MiB | {peak / count:,.0f} | {seconds:,.0f} |", flush=True)


def write_pictures(folder: Path, count: int) -> None:
    """Writes copies of a few random PNG files into folders of classes."""
    draw = np.random.default_rng(0)
    drawn = []
    for number in range(DRAWN):
        path = folder.parent / f".{number}.png"
        Image.fromarray(draw.integers(0, 256, SMALL, np.uint8)).save(path)
        drawn.append(path.read_bytes())
        path.unlink()
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count):
        Path(folder, str(number % CLASSES), f"{number:07d}.png").write_bytes(drawn[number % DRAWN])


if __name__ == "__main__":
    main()
