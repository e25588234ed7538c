"""Mixes pairs of samples, and mixes their targets in the same proportion."""

import torch
from torch import Generator, Tensor

from worker.augmentation.boxes import box_masks
from worker.augmentation.draws import bernoulli, beta
from worker.types import Batch


def mixup(inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float, outputs: int) -> Batch:
    """Returns l x_i + (1 - l) x_j, and targets mixed alike, with j from a permutation of the batch. Zhang et al.
    2018."""
    share = beta(len(inputs), alpha, generator)
    partner = draw_partners(len(inputs), generator)
    return mix(inputs, inputs[partner], share), mix_targets(targets, partner, share, outputs=outputs)


def cutmix(
    inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float, probability: float, outputs: int
) -> Batch:
    """Pastes a box of another sample into each with this probability; mixes targets by area. Yun et al. 2019."""
    count, _, height, width = inputs.shape
    # A box whose sides are scaled by sqrt(1 - l) has the share 1 - l of the area.
    side = (1 - beta(count, alpha, generator)).sqrt() * bernoulli(count, probability, generator)
    heights = (side * height).long()
    widths = (side * width).long()
    inside = box_masks(heights, widths, (height, width), generator)
    partner = draw_partners(count, generator)
    # The edge may have cut the box off, so the share is counted in pixels.
    share = 1 - inside.float().mean((1, 2, 3))
    return torch.where(inside, inputs[partner], inputs), mix_targets(targets, partner, share, outputs=outputs)


def draw_partners(count: int, generator: Generator) -> Tensor:
    """Draws a partner for each sample; a few samples are their own partners."""
    return torch.randperm(count, generator=generator, device=generator.device)


def mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Returns share first + (1 - share) second; each sample has its own share."""
    return second.lerp(first, share.view(-1, *[1] * (first.ndim - 1)))


def mix_targets(targets: Tensor, partner: Tensor, share: Tensor, *, outputs: int) -> Tensor:
    """Mixes targets. Classes become shares (N, k), or the share (N,) of class 1 if the model has one output."""
    if targets.dtype == torch.int64:
        classes = torch.arange(outputs, device=targets.device)
        targets = targets.float() if outputs == 1 else (targets[:, None] == classes).float()
    return mix(targets, targets[partner], share)
