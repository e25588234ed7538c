"""Draws samples as small pictures: images in their own colours, and other data as bars, lines or a heat map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from bakehouse.plan.card import DatasetCard
from worker.model.modules import Normalize, Whiten

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Shows = Literal["pixels", "bars", "lines", "heat_map"]

SIDE = 96
"""Largest side of a cell. Smaller images are enlarged by a whole factor, larger ones are reduced."""
SHOWN_SHARE = 0.99
"""Share of the numbers that are drawn in full."""
MAX_BARS = 32
MAX_LINES = 4
WHITE = (255, 255, 255)
GREY = (190, 190, 190)
COLORS = ((31, 90, 160), (200, 80, 20), (20, 130, 80), (130, 60, 150))


@dataclass(frozen=True)
class Cells:
    """The pictures of the samples, row by row: the original and then its draws."""

    rows: list[list[Pixels]]
    shows: Shows


def draw_cells(card: DatasetCard, originals: Tensor, draws: Sequence[Tensor], normalize: Normalize) -> Cells:
    """Draws normalised samples. Images are brought back to the units of the data, to have their own colours."""
    if card.kind == "image":
        columns = [image_cells(in_stored_units(samples, normalize), card) for samples in (originals, *draws)]
        return Cells([list(row) for row in zip(*columns, strict=True)], "pixels")
    shows = way_of(card, originals[0].numel())
    numbers = [samples.double().numpy() for samples in (originals, *draws)]
    # A single outlier would make all other numbers invisible; it is cut off.
    limit = max(float(np.quantile(np.abs(np.nan_to_num(each)), SHOWN_SHARE)) for each in numbers) or 1.0
    rows = [
        [draw_numbers(sample / limit, original / limit, shows) for sample in samples]
        for original, samples in zip(numbers[0], zip(*numbers, strict=True), strict=True)
    ]
    return Cells(rows, shows)


def way_of(card: DatasetCard, numbers: int) -> Shows:
    """Returns how the samples of a table or of sequences are drawn: many lines beside each other cannot be told
    apart."""
    if card.kind == "sequence":
        return "lines" if card.shape[1] <= MAX_LINES else "heat_map"
    return "bars" if numbers <= MAX_BARS else "lines"


def in_stored_units(samples: Tensor, normalize: Normalize) -> Tensor:
    """Undoes the normalization. A constant feature, whose scale is 0, gets its value."""
    numbers = samples.double()
    if isinstance(normalize, Whiten):
        rows = numbers.flatten(1)
        numbers = torch.linalg.solve(normalize.matrix.double(), rows, left=False).view(numbers.shape)
    scale = normalize.scale.double()
    return torch.where(scale == 0, 0.0, numbers / torch.where(scale == 0, 1.0, scale)) + normalize.shift.double()


def image_cells(images: Tensor, card: DatasetCard) -> list[Pixels]:
    """Returns images (N, channels, height, width) with the range of the card as pixels. Other images than grey and RGB
    ones are shown as the mean of their channels."""
    span = (card.maximum - card.minimum) or 1.0
    levels = ((images - card.minimum) / span).clamp(0, 1).mul(255).round()
    if levels.shape[1] != 3:
        levels = levels.mean(1, keepdim=True).round().expand(-1, 3, -1, -1)
    return [resize(pixels) for pixels in levels.byte().permute(0, 2, 3, 1).numpy()]


def resize(pixels: Pixels) -> Pixels:
    """Enlarges by a whole factor, without smoothing, or reduces a picture to a side of `SIDE`."""
    height, width, _ = pixels.shape
    factor = SIDE // max(height, width)
    if factor >= 1:
        return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    share = SIDE / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def draw_numbers(sample: Numbers, original: Numbers, shows: Shows) -> Pixels:
    """Draws numbers between -1 and 1: a draw in colours, and its original behind it in grey."""
    match shows:
        case "bars":
            return draw_bars(sample, original)
        case "lines":
            return draw_lines(sample.reshape(len(sample), -1), original.reshape(len(original), -1))
        case "heat_map":
            return draw_heat_map(sample)
        case "pixels":
            raise AssertionError("images have their own colours")
        case _:
            assert_never(shows)


def draw_bars(sample: Numbers, original: Numbers) -> Pixels:
    """Draws a bar for each feature, upwards from the middle if it is positive."""
    picture = Image.new("RGB", (SIDE, SIDE), WHITE)
    pen = ImageDraw.Draw(picture)
    width = SIDE / len(sample)
    for values, color, inset in ((original, GREY, 0.0), (sample, COLORS[0], 0.2)):
        for index, value in enumerate(values):
            left = (index + inset) * width
            right = max(left, (index + 1 - inset) * width - 1)
            top, bottom = sorted((height_of(0.0), height_of(value)))
            pen.rectangle((left, top, right, bottom), fill=color)
    return np.asarray(picture)


def draw_lines(sample: Numbers, original: Numbers) -> Pixels:
    """Draws a line from left to right for each column of numbers."""
    picture = Image.new("RGB", (SIDE, SIDE), WHITE)
    pen = ImageDraw.Draw(picture)
    pen.line((0, height_of(0.0), SIDE, height_of(0.0)), fill=(225, 225, 225))
    places = np.linspace(2, SIDE - 3, len(sample))
    for values, colors in ((original, (GREY,)), (sample, COLORS)):
        for index, line in enumerate(values.T):
            # Nothing follows the last step of a ragged sequence.
            points = [
                (float(x), height_of(value)) for x, value in zip(places, line, strict=True) if not np.isnan(value)
            ]
            pen.line(points, fill=colors[index % len(colors)], width=2)
    return np.asarray(picture)


def draw_heat_map(sample: Numbers) -> Pixels:
    """Draws the steps from left to right and the numbers of a step from top to bottom: 0 is white, 1 is orange, and -1
    is blue."""
    levels = np.nan_to_num(sample.T).clip(-1, 1)[..., None]
    ends = np.where(levels > 0, COLORS[1], COLORS[0])
    pixels = np.round(255 + np.abs(levels) * (ends - 255.0)).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST))


def height_of(value: float) -> float:
    """Returns the pixel row of a number between -1 at the bottom and 1 at the top."""
    return float((1 - np.clip(np.nan_to_num(value), -1, 1)) / 2 * (SIDE - 5) + 2)
