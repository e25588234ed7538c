"""Averages the probabilities of several crops of each image. He et al. 2016, arXiv 1512.03385, section 3.4."""

from collections import Counter
from collections.abc import Generator, Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.defaults import crop_scales
from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import Crops
from worker.data.batches import BATCH_ROWS
from worker.evaluation.averaging import Averages

Size = tuple[int, int]
Corner = tuple[int, int]
"""The pixel coordinates of a crop's top left corner: (top, left)."""

# Limit on the size of a batch of resized images, whose memory grows with the square of the scale.
RESIZED_BYTES = 64 << 20


def over_crops(
    plan: Plan, spec: Crops, model: nn.Module, inputs: Tensor, averages: Averages
) -> Generator[None, None, None]:
    """Averages the whole model's outputs over all crops; `averages` may have the first crops already. Yields after each
    crop of a batch."""
    batches = torch.split(inputs, rows_at_once(inputs, spec))
    for rows in batches[len(averages.outputs) :]:
        for crop, times in islice(crops(rows, spec), averages.passes, None):
            with torch.inference_mode():
                averages.add(model(crop), times=times)
            yield
        averages.end_batch()


def rows_at_once(images: Tensor, spec: Crops) -> int:
    """Returns the number of rows of a batch, which is smaller than usual if images are large at the largest scale."""
    _, channels, *sides = images.shape
    height, width = size_at((sides[0], sides[1]), max(crop_scales(spec, images.shape[1:])))
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


def size_at(size: Size, scale: int) -> Size:
    """Returns the height and width of an image that is resized so that the shorter side is `scale`."""
    shorter = min(size)
    return size[0] * scale // shorter, size[1] * scale // shorter


def positions(whole: Size, crop: Size) -> Counter[Corner]:
    """Returns the positions of the four corner crops and the centre crop, with the number of crops at each. The centre
    is rounded down, because Python's `round` would go to the even neighbour."""
    down, right = whole[0] - crop[0], whole[1] - crop[1]
    corners = [(0, 0), (0, right), (down, 0), (down, right)]
    return Counter([*corners, (down // 2, right // 2)])
