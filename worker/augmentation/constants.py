"""Keeps small constant tensors on the device. To make one there, the CPU would have to wait for a GPU at every step."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

Numbers = tuple[float | tuple[float, ...], ...]


@lru_cache(maxsize=256)
def constant(numbers: Numbers, device: torch.device) -> Tensor:
    """Returns the numbers as a tensor, which the caller must not change."""
    return torch.tensor(numbers, device=device)


def sides_on(device: torch.device, sides: Sequence[int]) -> Tensor:
    """Returns the height and width of images as a tensor, which the caller must not change."""
    return constant(tuple(sides), device)
