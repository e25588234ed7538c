"""Averages the probabilities of several crops of each image. He et al. 2016, arXiv 1512.03385, section 3.4."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.data import scaling
from bakehouse.data.photographs import Photographs
from bakehouse.data.scaling import Size, centre, size_at
from bakehouse.plan.defaults import crop_scales
from bakehouse.plan.pictures import RESIZED_BYTES
from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import Crops
from worker.augmentation.photographs import stack
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Split
from worker.evaluation.averaging import Averages

Corner = tuple[int, int]
"""The pixel coordinates of a crop's top left corner: (top, left)."""
CropsOfBatch = Callable[[], Iterator[tuple[Tensor, int]]]


def over_crops(
    plan: Plan, spec: Crops, model: nn.Module, split: Split, averages: Averages
) -> Generator[None, None, None]:
    """Averages the whole model's outputs over all crops; `averages` may have the first crops already. Yields after each
    crop of a batch."""
    for batch in batches_of_crops(plan, spec, split)[len(averages.outputs) :]:
        for crop, times in islice(batch(), averages.passes, None):
            with torch.inference_mode():
                averages.add(model(crop), times=times)
            yield
        averages.end_batch()


def batches_of_crops(plan: Plan, spec: Crops, split: Split) -> list[CropsOfBatch]:
    """Returns for each batch the function that yields its crops, with their number."""
    photographs = split.photographs
    if photographs is None:
        rows = torch.arange(len(split), device=split.device)
        return [
            partial(crops_of_rows, split, part, spec)
            for part in torch.split(rows, rows_at_once(split.source.shape[1:], spec))
        ]
    step = photographs_at_once(photographs, max(crop_scales(spec, plan.data.shape)))
    places = np.split(np.arange(len(photographs)), range(step, len(photographs), step))
    return [
        partial(crops_of_photographs, photographs.take(rows), spec, plan.data.shape, split.device) for rows in places
    ]


def crops_of_rows(split: Split, rows: Tensor, spec: Crops) -> Iterator[tuple[Tensor, int]]:
    """Yields the crops of some rows of a split."""
    return crops(split.take(rows), spec)


def photographs_at_once(photographs: Photographs, scale: int) -> int:
    """Returns the number of photographs of a batch, of which the largest decides."""
    heights, widths = photographs.index[:, 2:].T.tolist()
    sizes = (size_at(size, scale) for size in zip(heights, widths, strict=True))
    largest = photographs.channels * max(height * width for height, width in sizes)
    return max(1, min(BATCH_ROWS, RESIZED_BYTES // largest))


def crops_of_photographs(
    photographs: Photographs, spec: Crops, shape: tuple[int, ...], device: torch.device
) -> Iterator[tuple[Tensor, int]]:
    """Yields crops (N, C, H, W) of resized photographs, as `crops` does of images. Their corners are those of each
    photograph, so that all five are yielded even if they coincide in some."""
    side = shape[1]
    for scale in crop_scales(spec, shape):
        resized = []
        for row in range(len(photographs)):
            pixels = photographs.pixels(row)
            resized.append(scaling.resize(pixels, size_at((pixels.shape[0], pixels.shape[1]), scale)))
        corners = [corners_of((image.shape[0], image.shape[1]), (side, side)) for image in resized]
        for places in zip(*corners, strict=True):
            windows = (
                image[top : top + side, left : left + side] for image, (top, left) in zip(resized, places, strict=True)
            )
            crop = stack(windows, device)
            yield crop, 1
            if spec.flips:
                yield crop.flip(3), 1


def rows_at_once(shape: tuple[int, ...], spec: Crops) -> int:
    """Returns the number of rows of a batch, which is smaller than usual if images are large at the largest scale."""
    channels, *sides = shape
    height, width = size_at((sides[0], sides[1]), max(crop_scales(spec, shape)))
    return max(1, min(BATCH_ROWS, RESIZED_BYTES // (4 * channels * height * width)))


def crops(images: Tensor, spec: Crops) -> Iterator[tuple[Tensor, int]]:
    """Yields crops (N, C, H, W) of resized images: at each scale the corners and the centre, each also mirrored if the
    recipe asks for it. Crops that coincide are yielded once, with their number."""
    height, width = images.shape[2:]
    for scale in crop_scales(spec, images.shape[1:]):
        resized = resize(images, scale)
        for (top, left), times in positions((resized.shape[2], resized.shape[3]), (height, width)).items():
            crop = resized[:, :, top : top + height, left : left + width].contiguous()
            yield crop, times
            if spec.flips:
                yield crop.flip(3), times


def resize(images: Tensor, scale: int) -> Tensor:
    """Resizes images, with antialiasing, to a shorter side of `scale` pixels; the longer side is in proportion, rounded
    down. Images that already have this size stay as they are."""
    height, width = images.shape[2:]
    size = size_at((height, width), scale)
    if size == (height, width):
        return images
    # Images of bytes would be rounded after they are resized.
    floats = images.to(torch.promote_types(images.dtype, torch.float32))
    return functional.interpolate(floats, size, mode="bilinear", antialias=True)


def positions(whole: Size, crop: Size) -> Counter[Corner]:
    """Returns the positions of the four corner crops and the centre crop, with the number of crops at each."""
    return Counter(corners_of(whole, crop))


def corners_of(whole: Size, crop: Size) -> list[Corner]:
    """Returns the top left corners of the four corner crops and the centre crop."""
    down, right = whole[0] - crop[0], whole[1] - crop[1]
    return [(0, 0), (0, right), (down, 0), (down, right), centre(whole, crop)]
