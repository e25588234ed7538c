"""Changes the geometry of images with a matrix for each sample and bilinear interpolation."""

from collections.abc import Sequence
from math import radians

import torch
from torch import Generator, Tensor
from torch.nn import functional

from worker.augmentation.constants import constant
from worker.augmentation.draws import bernoulli, uniform

Sides = Sequence[int]
"""Height and width of an image, in pixels."""


def horizontal_flip(images: Tensor, generator: Generator, *, probability: float) -> Tensor:
    """Mirrors images (N, C, H, W) left to right, each with this probability."""
    mirrored = bernoulli(len(images), probability, generator)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def affine(
    images: Tensor,
    generator: Generator,
    *,
    degrees: float,
    translate: float,
    scale: tuple[float, float],
    shear: float,
    black: float,
) -> Tensor:
    """Rotates, shears, scales and shifts each image by random amounts."""
    count, _, height, width = images.shape
    angle = uniform(count, -radians(degrees), radians(degrees), generator)
    lean = uniform(count, -radians(shear), radians(shear), generator)
    factor = uniform(count, *scale, generator)
    shift = torch.stack([uniform(count, -translate * side, translate * side, generator) for side in (width, height)], 1)
    return warp(images, affine_sources(angle=angle, lean=lean, factor=factor, shift=shift), black=black)


def perspective(
    images: Tensor, generator: Generator, *, distortion_scale: float, probability: float, black: float
) -> Tensor:
    """Distorts each image with this probability: moves its corners inward by random distances."""
    count, _, height, width = images.shape
    changed = bernoulli(count, probability, generator)
    inward = torch.rand(count, 4, 2, generator=generator, device=images.device) * distortion_scale
    half = constant((width / 2, height / 2), images.device)
    signs = constant(((-1, -1), (1, -1), (1, 1), (-1, 1)), images.device)
    sources = perspective_sources(signs * half * (1 - inward), half)
    return torch.where(changed[:, None, None, None], warp(images, sources, black=black), images)


def as_floats(images: Tensor) -> Tensor:
    """Converts bytes to float32; float64 images stay float64."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


def warp(images: Tensor, sources: Tensor, *, black: float | None) -> Tensor:
    """Moves the pixel at p to q, where (p, 1) ~ sources (q, 1) in pixels from the centre; interpolates bilinearly.

    Pixels from outside the image have the value `black`, or, if it is null, that of the nearest pixel of the edge.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    x, y, w = (line[:, 0] * columns + line[:, 1] * rows + line[:, 2] for line in sources[:, :, :, None, None].unbind(1))
    images = as_floats(images)
    # With `align_corners=False`, -1 and 1 are the outer edges of the image, half a pixel beyond the centres.
    grid = torch.stack((2 / width * x / w, 2 / height * y / w), dim=-1).to(images.dtype)
    if not black:
        outside = "border" if black is None else "zeros"
        return functional.grid_sample(images, grid, padding_mode=outside, align_corners=False)
    # `grid_sample` fills with 0, so black is subtracted first and added afterwards.
    return functional.grid_sample(images - black, grid, align_corners=False) + black


def affine_sources(*, angle: Tensor, lean: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    """Returns matrices (N, 3, 3) of p = 1/s H(-lean) R(-angle) (q - t), where t = (x, y).

    Angles are in radians, counterclockwise.
    """
    cosine = angle.cos()
    sine = angle.sin()
    slope = lean.tan()
    linear = torch.stack((cosine - slope * sine, -sine - slope * cosine, sine, cosine), 1).view(-1, 2, 2)
    return with_shift(linear / factor[:, None, None], shift)


def with_shift(linear: Tensor, shift: Tensor) -> Tensor:
    """Returns matrices (N, 3, 3) of p = linear (q - shift)."""
    top = torch.cat((linear, -(linear * shift[:, None]).sum(2, keepdim=True)), 2)
    bottom = constant((0.0, 0.0, 1.0), linear.device).expand(len(linear), 1, 3)
    return torch.cat((top, bottom), 1)


def perspective_sources(corners: Tensor, half: Tensor) -> Tensor:
    """Returns matrices (N, 3, 3) that map corners (N, 4, 2), clockwise from the top left, to the corners of the image.

    `half` is half the image's size. Each matrix is the inverse of the projection of the unit square onto the corners
    (Heckbert 1989, section 2.2.3), written as cross products.
    """
    first, second, third, fourth = corners.unbind(1)
    down = second - third
    left = fourth - third
    apart = first - second + third - fourth
    area = cross(down, left)
    g = cross(apart, left) / area
    h = cross(down, apart) / area
    u = torch.cat((second - first + g * second, g), 1)
    v = torch.cat((fourth - first + h * fourth, h), 1)
    origin = functional.pad(first, (0, 1), value=1.0)
    square = torch.stack([torch.linalg.cross(a, b) for a, b in ((v, origin), (origin, u), (u, v))], 1)
    return torch.cat((half[:, None] * (2 * square[:, :2] - square[:, 2:]), square[:, 2:]), 1)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Returns the cross product (N, 1) of vectors (N, 2)."""
    return a[:, :1] * b[:, 1:] - a[:, 1:] * b[:, :1]


def rotation(degrees: Tensor, _: Sides) -> Tensor:
    """Returns matrices (N, 3, 3) that rotate images counterclockwise."""
    zero = torch.zeros_like(degrees)
    one = torch.ones_like(degrees)
    return affine_sources(angle=degrees.deg2rad(), lean=zero, factor=one, shift=torch.stack((zero, zero), 1))


def shear_x(slope: Tensor, _: Sides) -> Tensor:
    """Returns matrices that move rows by `slope` times their distance from the centre."""
    return identity_except(slope, entry=(0, 1))


def shear_y(slope: Tensor, _: Sides) -> Tensor:
    """Returns matrices that move columns by `slope` times their distance from the centre."""
    return identity_except(slope, entry=(1, 0))


def translation_x(share: Tensor, sides: Sides) -> Tensor:
    """Returns matrices that move images to the right by a share of their width."""
    return identity_except(share * sides[1], entry=(0, 2))


def translation_y(share: Tensor, sides: Sides) -> Tensor:
    """Returns matrices that move images down by a share of their height."""
    return identity_except(share * sides[0], entry=(1, 2))


def identity_except(amount: Tensor, *, entry: tuple[int, int]) -> Tensor:
    """Returns identity matrices (N, 3, 3) in which one entry (row, column) is -amount."""
    matrix = torch.eye(3, device=amount.device).repeat(len(amount), 1, 1)
    matrix[:, entry[0], entry[1]] = -amount
    return matrix
