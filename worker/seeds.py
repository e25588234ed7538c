"""Randomness as a function of (seed, purpose, step): nothing to store, so nothing to lose in a resume."""

import hashlib
from typing import Literal

import torch

Purpose = Literal[
    "initialisation", "order", "augmentation", "dropout", "weight_noise", "adversary", "test_adversary", "hints",
    "hints_order", "hints_augmentation", "hints_dropout", "population",
    "diagnostics", "monte_carlo", "bootstrap",
]  # fmt: skip

GOLDEN = 0x9E3779B97F4A7C15
"""Odd, so that multiples of it visit every seed of a generator before one repeats."""


class Seeds:
    """The seeds of one purpose of one run, by step."""

    def __init__(self, seed: int, purpose: Purpose) -> None:
        name = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
        self.first = int.from_bytes(name[:8], "big")

    def at(self, step: int) -> int:
        """For `torch.Generator.manual_seed`."""
        return (self.first + step * GOLDEN) & 0x7FFF_FFFF_FFFF_FFFF


def device_generator(device: torch.device) -> torch.Generator:
    """The one that torch's own layers draw from. Seeding it costs 1 microsecond, torch.manual_seed 70."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator
