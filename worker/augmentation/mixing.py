"""Pairs of samples made into one, with their targets."""

import torch
from torch import Generator, Tensor

from worker.augmentation.boxes import boxes
from worker.augmentation.draws import bernoulli, beta
from worker.types import Batch


def mixup(inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float, outputs: int) -> Batch:
    """l x_i + (1 - l) x_j and the same of the targets, with j from a permutation of the batch."""
    share = beta(len(inputs), alpha, generator)
    partner = partners(len(inputs), generator)
    return mixed(inputs, inputs[partner], share), mixed_targets(targets, partner, share, outputs=outputs)


def cutmix(
    inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float, probability: float, outputs: int
) -> Batch:
    """A box of another sample in some; a target's share is what is left of the area."""
    count, _, height, width = inputs.shape
    side = (1 - beta(count, alpha, generator)).sqrt() * bernoulli(count, probability, generator)
    heights, widths = (side * height).long(), (side * width).long()
    inside = boxes(heights, widths, (height, width), generator)
    partner = partners(count, generator)
    share = 1 - inside.float().mean((1, 2, 3))
    return torch.where(inside, inputs[partner], inputs), mixed_targets(targets, partner, share, outputs=outputs)


def partners(count: int, generator: Generator) -> Tensor:
    """Whom each sample is mixed with; some with themselves."""
    return torch.randperm(count, generator=generator, device=generator.device)


def mixed(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """share first + (1 - share) second, sample by sample."""
    return second.lerp(first, share.view(-1, *[1] * (first.ndim - 1)))


def mixed_targets(targets: Tensor, partner: Tensor, share: Tensor, *, outputs: int) -> Tensor:
    """Numbers as they are; classes as shares, (N, k), or (N,) that of class 1 where one output tells two apart."""
    if targets.dtype == torch.int64:
        classes = torch.arange(outputs, device=targets.device)
        targets = targets.float() if outputs == 1 else (targets[:, None] == classes).float()
    return mixed(targets, targets[partner], share)
