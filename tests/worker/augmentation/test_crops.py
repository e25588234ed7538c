"""Windows: which there are, how often each comes, and what is in them."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.worker.augmentation.draw import generator, pictures
from worker.augmentation.crops import draw_box_sizes, random_crop, random_resized_crop, resize_boxes, scale_crop

PADDING = 2
WINDOWS = (2 * PADDING + 1) ** 2
OFFSET = 7.0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("black", [0, 3])
def test_a_crop_is_a_window_of_the_padded_image_and_each_is_as_likely(dtype: torch.dtype, black: int) -> None:
    image = (torch.arange(2 * 5 * 4) + 1).reshape(2, 5, 4).to(dtype)
    crops = random_crop(image.expand(5000, 2, 5, 4), generator(), padding=PADDING, black=black)
    assert crops.dtype == dtype
    sides = ((0, 0), (PADDING, PADDING), (PADDING, PADDING))
    padded = np.pad(image.numpy(), sides, constant_values=black)
    windows = {
        padded[:, top : top + 5, left : left + 4].tobytes(): (top, left)
        for top in range(2 * PADDING + 1)
        for left in range(2 * PADDING + 1)
    }
    places = Counter(windows[np.ascontiguousarray(crop).tobytes()] for crop in crops.numpy())
    assert len(places) == WINDOWS
    share = 1 / WINDOWS
    assert all(abs(n / 5000 - share) < 6 * math.sqrt(share * (1 - share) / 5000) for n in places.values())


def test_crops_of_a_batch_stay_with_their_samples() -> None:
    images = torch.arange(1, 9.0)[:, None, None, None].expand(8, 3, 6, 6)
    crops = random_crop(images, generator(), padding=3, black=0)
    for number, crop in enumerate(crops, start=1):
        assert set(crop.unique().tolist()) <= {0.0, float(number)}


@pytest.mark.parametrize("shape", [(3, 6, 6), (1, 5, 8), (2, 9, 7)])
def test_a_scaled_crop_is_a_window_of_the_resized_image_and_each_is_as_likely(shape: tuple[int, int, int]) -> None:
    image, count = pictures(*shape), 4000
    short, low, high = min(shape[1:]), min(shape[1:]), min(shape[1:]) + 2
    crops = scale_crop(image.expand(count, *shape), generator(), low=low, high=high).flatten(1)
    assert len(crops) == count
    matched = torch.zeros(count, dtype=torch.long)
    for length in range(low, high + 1):
        sides = [length * side // short for side in shape[1:]]
        resized = functional.interpolate(image[None], sides, mode="bilinear", antialias=True, align_corners=False)[0]
        windows = resized.unfold(1, shape[1], 1).unfold(2, shape[2], 1).movedim(0, 2).flatten(2).flatten(0, 1)
        hits = torch.cdist(crops, windows, p=math.inf) < 1e-5
        matched += hits.any(1)
        for found in hits.float().mean(0).tolist():
            expected = 1 / (high - low + 1) / len(windows)
            assert abs(found - expected) < 6 * math.sqrt(expected / count)
    assert bool((matched == 1).all())


def test_a_box_of_the_whole_image_is_the_image() -> None:
    image = pictures(4, 3, 6, 9)
    crops = random_resized_crop(image, generator(), area=(1.0, 1.0), aspect=(1.5, 1.5))
    assert torch.allclose(crops, image, atol=1e-5)
    assert torch.allclose(scale_crop(image, generator(), low=6, high=6), image, atol=1e-5)


def test_a_resized_box_is_interpolated_at_the_middles_of_its_pixels() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    ramp = (rows + 100 * columns).expand(1, 1, 8, 10)
    start, size = torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 5.0]])
    wanted_rows = 2 + (np.arange(8) + 0.5) * 4 / 8 - 0.5
    wanted_columns = 3 + (np.arange(10) + 0.5) * 5 / 10 - 0.5
    wanted = wanted_rows[:, None] + 100 * wanted_columns
    assert np.allclose(resize_boxes(ramp, start=start, size=size)[0, 0], wanted, atol=1e-2)


def test_boxes_have_the_area_and_aspect_that_were_asked_for() -> None:
    sizes = draw_box_sizes(5000, [224, 224], generator(), area=(0.25, 0.5), aspect=(0.5, 2.0)).double()
    height, width = sizes.unbind(1)
    area, ratio = height * width / 224**2, (width / height).log() / math.log(2)
    assert 0.24 < area.min() < 0.26
    assert 0.49 < area.max() < 0.51
    assert -1.02 < ratio.min() < -0.98
    assert 0.98 < ratio.max() < 1.02
    # Evenly spread, both: all of these boxes fit.
    assert abs(area.mean() - 0.375) < 6 * 0.25 / math.sqrt(12 * 5000)
    assert abs(ratio.mean()) < 6 * 2 / math.sqrt(12 * 5000)


def test_a_box_that_never_fits_is_cut_down_and_none_is_empty() -> None:
    wide = draw_box_sizes(50, [8, 8], generator(), area=(1.0, 1.0), aspect=(4.0, 4.0))
    assert torch.equal(wide, torch.tensor([4.0, 8.0]).expand(50, 2))
    tiny = draw_box_sizes(50, [8, 8], generator(), area=(0.001, 0.001), aspect=(1.0, 1.0))
    assert torch.equal(tiny, torch.ones(50, 2))
