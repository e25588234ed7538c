"""Draws the rows of an epoch so that each class has equally many."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from bakehouse.plan.plan import Plan


def sampler(plan: Plan, labels: Tensor) -> Callable[[Generator], Tensor] | None:
    """Returns a function that draws the rows of an epoch; None if an epoch takes all rows. `labels` are the classes of
    the training rows."""
    sampling = plan.recipe.dataset.sampling
    if sampling == "none":
        return None
    on_cpu = labels.cpu()
    groups = [(on_cpu == label).nonzero().flatten() for label in torch.unique(on_cpu)]
    if sampling == "balanced":
        return partial(draw_balanced, groups, plan.epoch_rows)
    smallest = min(map(len, groups))
    assert smallest * len(groups) == plan.epoch_rows, "the plan counts the rows of each class from the card"
    return partial(draw_smallest, groups, smallest)


def draw_balanced(groups: Sequence[Tensor], rows: int, generator: Generator) -> Tensor:
    """Draws equally many rows of each group with replacement; what does not divide goes to groups drawn at random."""
    counts = torch.full((len(groups),), rows // len(groups))
    counts[torch.randperm(len(groups), generator=generator)[: rows % len(groups)]] += 1
    drawn = [
        group[torch.randint(len(group), (count,), generator=generator)]
        for group, count in zip(groups, counts.tolist(), strict=True)
    ]
    return shuffle(torch.cat(drawn), generator)


def draw_smallest(groups: Sequence[Tensor], smallest: int, generator: Generator) -> Tensor:
    """Draws as many rows of each group as the smallest has, without replacement."""
    drawn = [group[torch.randperm(len(group), generator=generator)[:smallest]] for group in groups]
    return shuffle(torch.cat(drawn), generator)


def shuffle(rows: Tensor, generator: Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)]
