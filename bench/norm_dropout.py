"""Measures what dropout costs with each norm: `python -m bench.norm_dropout [SEEDS]`.

Trains small networks on the digits with and without dropout before their norms, in this process, on one torch thread. A
difference is that between runs with the same seed, with and without dropout, so that it leaves out what the seed does.
"""

import sys
from collections.abc import Iterator
from statistics import fmean
from typing import NamedTuple

import torch

from bakehouse.experiments.statistics import summarize
from bench.finished import Document, finished_training
from worker.training.events import Finished

SEEDS = 5
RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
BASE: Document = {"dataset": "digits", "epochs": 20, "early_stopping": "none"}
NARROW: Document = {"type": "mlp", "hidden": [64, 64]}
WIDE: Document = {"type": "mlp", "hidden": [256, 256]}
RESIDUAL: Document = {"type": "preresnet", "depth": 8}


class Setting(NamedTuple):
    """A network, its norm, and the place of its dropout."""

    network: str
    architecture: Document
    norm: str
    placement: str


class Result(NamedTuple):
    """What a run reached."""

    accuracy: float
    loss: float
    ratio: float | None
    """The largest ratio of the variances that a batch norm divides by and that its inputs have."""


ALL = ("batch_norm", "none", "layer_norm")
NETWORKS = {
    "mlp, 64 wide": (NARROW, ALL, ("hidden",)),
    "mlp, 256 wide": (WIDE, ALL, ("hidden",)),
    "cnn": ({"type": "cnn"}, ALL, ("hidden",)),
    "preresnet 8": (RESIDUAL, ("batch_norm",), ("block_before_norm", "block_before_conv")),
}
"""For each network its architecture, norms, and places of dropout before a norm."""


def settings() -> Iterator[Setting]:
    """Yields dropout inside of each network with each norm, and dropout that no batch norm follows."""
    for network, (architecture, norms, placements) in NETWORKS.items():
        for norm in norms:
            for placement in placements:
                yield Setting(network, architecture, norm, placement)
        yield Setting(network, architecture, "batch_norm", "classifier")


def train(setting: Setting, rate: float, seed: int) -> Result:
    """Trains one network with one seed."""
    dropout = [{"type": "dropout", "rate": rate, "placement": setting.placement}] if rate else []
    recipe = {**BASE, "architecture": setting.architecture, "norm": setting.norm, "dropout": dropout, "seed": seed}
    training, ending = finished_training(recipe)
    assert isinstance(ending, Finished)
    ratio = training.history.diagnostics.get("variance_shift", {}).get("worst_ratio")
    return Result(ending.metrics["test_accuracy"], ending.metrics["test_loss"], ratio)


def row(setting: Setting, rate: float, plain: list[Result], seeds: int) -> str:
    """Returns a line of the table, with the differences from the runs without dropout."""
    results = [train(setting, rate, seed) for seed in range(seeds)]
    gains = [100 * (result.accuracy - base.accuracy) for result, base in zip(results, plain, strict=True)]
    ratios = [result.ratio for result in results if result.ratio is not None]
    cells = [
        setting.network,
        setting.norm,
        setting.placement,
        f"{rate:g}",
        f"{100 * fmean(result.accuracy for result in results):.2f}",
        interval(gains),
        f"{fmean(result.loss for result in results):.3f}",
        f"{fmean(ratios):.2f}" if ratios else "",
    ]
    return f"| {' | '.join(cells)} |"


def interval(gains: list[float]) -> str:
    """Returns the mean and its 95 % interval as text."""
    found = summarize(gains)
    assert found.mean is not None
    return "{:+.3g} ({:+.3g} to {:+.3g})".format(found.mean, *(found.interval or (found.mean, found.mean)))


def main(seeds: int) -> None:
    """Prints the table, each row as soon as it is measured."""
    torch.set_num_threads(1)
    print("| network | norm | dropout before | rate | test accuracy, % | against rate 0 | test loss | worst ratio |")
    print("|---" * 8 + "|")
    plain: dict[tuple[str, str], list[Result]] = {}
    for setting in settings():
        key = (setting.network, setting.norm)
        if key not in plain:
            plain[key] = [train(setting, 0, seed) for seed in range(seeds)]
            accuracy, loss = (fmean(values) for values in list(zip(*plain[key], strict=True))[:2])
            print(f"| {setting.network} | {setting.norm} | | 0 | {100 * accuracy:.2f} | | {loss:.3f} | |", flush=True)
        for rate in RATES:
            print(row(setting, rate, plain[key], seeds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
