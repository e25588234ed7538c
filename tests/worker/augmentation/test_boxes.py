"""Boxes around random pixels."""

import math

import torch

from tests.worker.augmentation.draw import generator
from worker.augmentation.boxes import box_masks, cutout


def test_a_box_has_its_size_but_for_what_is_outside() -> None:
    count, height, width = 4000, 6, 9
    inside = box_masks(torch.full((count,), 3), torch.full((count,), 4), (height, width), generator())
    assert inside.shape == (count, 1, height, width)
    rows, columns = inside.any(3)[:, 0], inside.any(2)[:, 0]
    assert torch.equal(inside[:, 0], rows[:, :, None] & columns[:, None, :])
    # About rows 0 and 5 one of three is outside, and about column 0 two of four, about 1 and 8 one.
    assert set(rows.sum(1).tolist()) == {2, 3}
    assert set(columns.sum(1).tolist()) == {2, 3, 4}
    for found, share in (((rows.sum(1) == 2), 2 / 6), ((columns.sum(1) == 4), 6 / 9)):
        assert abs(found.double().mean() - share) < 6 * math.sqrt(share * (1 - share) / count)


def test_a_box_of_no_size_is_empty() -> None:
    none = torch.zeros(5, dtype=torch.long)
    assert not box_masks(none, none, (4, 4), generator()).any()


def test_cutout_sets_a_square_to_0_in_all_channels() -> None:
    cut = cutout(torch.ones(300, 3, 8, 8), generator(), size=4)
    holes = cut[:, 0] == 0
    assert torch.equal(cut == 0, holes[:, None].expand_as(cut))
    assert holes.sum((1, 2)).min() == 4
    assert holes.sum((1, 2)).max() == 16
    assert len({hole.numpy().tobytes() for hole in holes}) > 50
