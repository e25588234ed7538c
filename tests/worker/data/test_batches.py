"""Batches: which rows, in which order, changed how."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, load_small_data, make_small_plan
from worker.data.batches import Batches
from worker.model.build import build_model
from worker.model.initialize import fill_statistics
from worker.training.curriculum import AllRows
from worker.types import Batch

CROP = [{"type": "random_crop", "padding": 3}]
AUGMENTATIONS: list[list[Any]] = [
    [], CROP, ["input_noise"], [*CROP, "input_noise"], ["trivial_augment"], ["mixup"], ["rand_augment", "cutmix"],
]  # fmt: skip


def batches_of(document: dict[str, Any], layout: torch.memory_format = torch.contiguous_format) -> Batches:
    plan = make_small_plan(document)
    data, model = load_small_data(plan), build_model(plan)
    fill_statistics(plan, model, data)
    return Batches(plan, data, model[0], layout, AllRows(plan.sizes.train).subset)


def same(first: list[Batch], second: list[Batch]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in pairs)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1024])
def test_an_epoch_has_every_row_once_and_the_last_batch_is_kept(batch_size: int) -> None:
    batches = batches_of({**IRIS, "norm": None, "batch_size": batch_size})
    epoch = list(batches.from_step(0))
    sizes = [len(targets) for _, targets in epoch]
    assert len(epoch) == batches.steps_per_epoch
    assert sizes[:-1] == [min(batch_size, 96)] * (len(sizes) - 1)
    assert sum(sizes) == len(batches.split.inputs)
    rows = [
        (*row.tolist(), int(target)) for inputs, targets in epoch for row, target in zip(inputs, targets, strict=True)
    ]
    assert batches.normalize_block is not None
    whole = zip(batches.normalize_block(batches.split.inputs), batches.split.targets, strict=True)
    assert sorted(rows) == sorted((*row.tolist(), int(target)) for row, target in whole)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_the_rest_of_an_epoch_is_the_epochs_tail(augmentation: list[Any]) -> None:
    # 144 rows one by one are more than two blocks of 64 batches.
    document = {**DIGITS_CNN, "norm": None, "batch_size": 1, "augmentation": augmentation}
    whole = list(batches_of(document).from_step(144))
    for done in (0, 1, 63, 64, 65, 143):
        assert same(list(batches_of(document).from_step(144 + done)), whole[done:])


def test_each_epoch_and_each_seed_has_another_order() -> None:
    first, again, other = batches_of(IRIS), batches_of(IRIS), batches_of({**IRIS, "seed": 1})
    assert torch.equal(first.order(3), again.order(3))
    assert not torch.equal(first.order(0), first.order(1))
    assert not torch.equal(first.order(0), other.order(0))


def test_what_a_crop_pads_with_is_black_and_not_the_mean() -> None:
    batches = batches_of({**DIGITS_CNN, "augmentation": CROP})
    assert batches.normalize is not None
    black = batches.normalize(torch.zeros(1, 1, 1, 1, dtype=torch.uint8)).item()
    inputs, _ = next(batches.from_step(0))
    assert black < -0.5
    assert float((inputs == black).double().mean()) > 0.6


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_inputs_come_normalised_and_in_the_layout_that_was_asked_for(augmentation: list[Any]) -> None:
    batches = batches_of({**DIGITS_CNN, "augmentation": augmentation}, torch.channels_last)
    inputs: Tensor = next(batches.from_step(0))[0]
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert float(inputs.min()) < -0.5


def test_the_draw_of_a_step_does_not_depend_on_the_steps_before_it() -> None:
    document = {**DIGITS_CNN, "augmentation": [{"type": "input_noise"}]}
    batches = batches_of(document)
    rows, targets = batches.split.inputs[:5], batches.split.targets[:5]
    first, _ = batches.transform(rows, targets, 4)
    batches.transform(rows, targets, 5)
    assert torch.equal(batches.transform(rows, targets, 4)[0], first)
    assert not torch.equal(batches.transform(rows, targets, 5)[0], first)


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ({**DIGITS_CNN, "augmentation": "cutmix"}, (64, 10)),
        ({**IRIS, "augmentation": "mixup"}, (32, 3)),
        ({**IRIS, "dataset": "breast_cancer", "objective": "binary_cross_entropy", "augmentation": "mixup"}, (32,)),
        ({**DIABETES, "augmentation": "mixup"}, (128,)),
        ({**DIABETES, "augmentation": "mixup", "objective": "poisson"}, (128,)),
    ],
)
def test_mixed_targets_lie_between_the_plain_ones(document: dict[str, Any], shape: tuple[int, ...]) -> None:
    batches = batches_of(document)
    [_, plain], [_, mixed] = next(batches.gather(batches.order(0))), next(batches.from_step(0))
    assert mixed.shape == shape
    assert mixed.dtype == torch.float32
    whole = functional.one_hot(plain).float() if len(shape) == 2 else plain.float()
    assert bool(((mixed >= whole.amin(0) - 1e-6) & (mixed <= whole.amax(0) + 1e-6)).all())
    assert not torch.equal(mixed, whole)
