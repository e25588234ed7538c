"""Mixup and cutmix: inputs and targets are mixed in the same proportions."""

import math

import pytest
import torch

from tests.worker.augmentation.draw import generator
from worker.augmentation.draws import beta
from worker.augmentation.mixing import cutmix, mixup

ROWS, CLASSES = 400, 5
# The inputs and the target of a sample are its number.
NUMBERS = torch.arange(ROWS, dtype=torch.float32)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 8.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    shares = beta(20_000, alpha, generator()).double()
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(shares.mean() - 0.5) < 6 * math.sqrt(variance / 20_000)
    assert abs(shares.var() / variance - 1) < 0.06
    # P(l < 1/4) = 1/4 at alpha = 1; a beta variable is as often below 1/4 as above 3/4.
    assert abs((shares < 0.25).double().mean() - (shares > 0.75).double().mean()) < 0.02
    if alpha == 1:
        assert abs((shares < 0.25).double().mean() - 0.25) < 0.02


@pytest.mark.parametrize("shape", [(3,), (4, 6), (2, 4, 6)])
def test_mixup_mixes_inputs_and_numbers_by_the_same_share(shape: tuple[int, ...]) -> None:
    inputs = NUMBERS.view(-1, *[1] * len(shape)).expand(ROWS, *shape)
    mixed, targets = mixup(inputs, NUMBERS, generator(), alpha=1.0, outputs=1)
    assert mixed.shape == inputs.shape
    assert torch.allclose(mixed.flatten(1), targets[:, None].expand(ROWS, math.prod(shape)), atol=1e-3)
    assert len(set(targets.tolist())) > ROWS / 2


def test_mixup_gives_each_class_its_share() -> None:
    classes = torch.arange(ROWS) % CLASSES
    inputs = torch.eye(CLASSES)[classes]
    mixed, targets = mixup(inputs, classes, generator(), alpha=0.4, outputs=CLASSES)
    assert torch.allclose(mixed, targets, atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(ROWS))
    own = targets[torch.arange(ROWS), classes]
    assert 0 < own.min() < 0.5 < own.max() <= 1
    assert len(set(own.tolist())) > ROWS / 2


def test_of_two_classes_with_one_output_the_share_is_that_of_class_1() -> None:
    classes = torch.arange(ROWS) % 2
    mixed, targets = mixup(classes[:, None].float(), classes, generator(), alpha=1.0, outputs=1)
    assert targets.shape == (ROWS,)
    assert torch.allclose(mixed.squeeze(1), targets)


def test_cutmix_shares_are_those_of_the_pixels_that_are_there() -> None:
    inputs = NUMBERS.view(-1, 1, 1, 1).expand(ROWS, 2, 7, 9)
    mixed, targets = cutmix(inputs, NUMBERS, generator(), alpha=1.0, probability=1.0, outputs=1)
    assert torch.allclose(mixed.mean((1, 2, 3)), targets, atol=1e-3)
    pasted = mixed != inputs
    assert torch.equal(pasted[:, 0], pasted[:, 1])
    rows, columns = pasted[:, 0].any(2), pasted[:, 0].any(1)
    assert torch.equal(pasted[:, 0], rows[:, :, None] & columns[:, None, :])
    assert all(len(set(image.flatten().tolist())) <= 2 for image in mixed)
    # E[l] = 1/2 of the area without what is cut off.
    assert 0.15 < pasted.double().mean() < 0.4


def test_cutmix_leaves_the_others_as_they_are() -> None:
    classes = torch.arange(ROWS) % CLASSES
    inputs = torch.eye(CLASSES)[classes][:, :, None, None].expand(ROWS, CLASSES, 8, 8)
    mixed, targets = cutmix(inputs, classes, generator(), alpha=1.0, probability=0.3, outputs=CLASSES)
    assert torch.allclose(mixed.mean((2, 3)), targets, atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(ROWS))
    untouched = (targets.amax(1) == 1).double().mean()
    # Of the 3 in 10 that are chosen, one in five gets a box of its own class, and few an empty one.
    assert 0.7 < untouched < 0.85


def test_a_batch_of_one_row_is_mixed_with_itself() -> None:
    inputs, target = torch.randn(1, 1, 4, 4), torch.tensor([2])
    for mixed, targets in (
        mixup(inputs, target, generator(), alpha=1.0, outputs=3),
        cutmix(inputs, target, generator(), alpha=1.0, probability=1.0, outputs=3),
    ):
        assert torch.allclose(mixed, inputs)
        assert torch.allclose(targets, torch.tensor([[0.0, 0.0, 1.0]]))
