"""Draws the order in which an epoch takes rows in blocks, so that they are read nearly in order."""

import torch
from torch import Generator, Tensor

from bakehouse.recipe.shuffle import Blocks


def shuffle_blocks(spec: Blocks, rows: int, generator: Generator) -> Tensor:
    """Returns an order of all rows: blocks in random order, and the rows of `mixed` blocks at a time shuffled."""
    places = torch.arange(spec.rows)
    blocks = torch.randperm(-(-rows // spec.rows), generator=generator)
    parts: list[Tensor] = []
    for mixed in torch.split(blocks, spec.mixed):
        inside = (mixed[:, None] * spec.rows + places).flatten()
        # The last block may be shorter.
        inside = inside[inside < rows]
        parts.append(inside[torch.randperm(len(inside), generator=generator)])
    return torch.cat(parts)
