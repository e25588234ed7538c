"""Changes of place: one matrix for each sample, one interpolation."""

from math import radians

import torch
from torch import Generator, Tensor
from torch.nn import functional

from worker.augmentation.draws import bernoulli, uniform


def horizontal_flip(images: Tensor, generator: Generator, *, probability: float) -> Tensor:
    """Mirrors samples of (N, C, H, W) left to right."""
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
    """Rotated, sheared, scaled and shifted, each sample by numbers of its own."""
    count, _, height, width = images.shape
    angle, lean = (uniform(count, -radians(most), radians(most), generator) for most in (degrees, shear))
    factor = uniform(count, *scale, generator)
    shift = torch.stack([uniform(count, -translate * side, translate * side, generator) for side in (width, height)], 1)
    return warp(images, affine_sources(angle=angle, lean=lean, factor=factor, shift=shift), black=black)


def perspective(
    images: Tensor, generator: Generator, *, distortion_scale: float, probability: float, black: float
) -> Tensor:
    """Some samples with each corner moved inward."""
    count, _, height, width = images.shape
    changed = bernoulli(count, probability, generator)
    inward = torch.rand(count, 4, 2, generator=generator, device=images.device) * distortion_scale
    half = torch.tensor([width / 2, height / 2], device=images.device)
    signs = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], device=images.device)
    sources = perspective_sources(signs * half * (1 - inward), half)
    return torch.where(changed[:, None, None, None], warp(images, sources, black=black), images)


def as_floats(images: Tensor) -> Tensor:
    """Bytes as float32; images in 64 bits keep them."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


def warp(images: Tensor, sources: Tensor, *, black: float | None) -> Tensor:
    """Bilinear images whose pixel at q is what was at p: (p, 1) ~ sources (q, 1), in pixels from the centre.

    Outside is black; without a black, whatever is nearest at the edge.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    x, y, w = (line[:, 0] * columns + line[:, 1] * rows + line[:, 2] for line in sources[:, :, :, None, None].unbind(1))
    images = as_floats(images)
    grid = torch.stack((2 / width * x / w, 2 / height * y / w), dim=-1).to(images.dtype)
    if not black:
        outside = "border" if black is None else "zeros"
        return functional.grid_sample(images, grid, padding_mode=outside, align_corners=False)
    return functional.grid_sample(images - black, grid, align_corners=False) + black


def affine_sources(*, angle: Tensor, lean: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    """(N, 3, 3) of p = 1/s H(-lean) R(-angle) (q - t): counterclockwise in radians, t as (x, y)."""
    cosine, sine, slope = angle.cos(), angle.sin(), lean.tan()
    linear = torch.stack((cosine - slope * sine, -sine - slope * cosine, sine, cosine), 1).view(-1, 2, 2)
    return with_shift(linear / factor[:, None, None], shift)


def with_shift(linear: Tensor, shift: Tensor) -> Tensor:
    """(N, 3, 3) of p = linear (q - shift)."""
    top = torch.cat((linear, -(linear * shift[:, None]).sum(2, keepdim=True)), 2)
    bottom = torch.tensor([[[0.0, 0.0, 1.0]]], device=linear.device).expand(len(linear), 1, 3)
    return torch.cat((top, bottom), 1)


def perspective_sources(corners: Tensor, half: Tensor) -> Tensor:
    """(N, 3, 3) that take corners (N, 4, 2), clockwise from the top left, to those of the image, at half its size.

    The inverse, as cross products, of the projection of the unit square (Heckbert 1989, section 2.2.3).
    """
    first, second, third, fourth = corners.unbind(1)
    down, left, apart = second - third, fourth - third, first - second + third - fourth
    area = cross(down, left)
    g, h = cross(apart, left) / area, cross(down, apart) / area
    u = torch.cat((second - first + g * second, g), 1)
    v = torch.cat((fourth - first + h * fourth, h), 1)
    origin = functional.pad(first, (0, 1), value=1.0)
    square = torch.stack([torch.linalg.cross(a, b) for a, b in ((v, origin), (origin, u), (u, v))], 1)
    return torch.cat((half[:, None] * (2 * square[:, :2] - square[:, 2:]), square[:, 2:]), 1)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """(N, 1) of vectors (N, 2)."""
    return a[:, :1] * b[:, 1:] - a[:, 1:] * b[:, :1]


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Counterclockwise; outside is 0, here and below."""
    zero, one = torch.zeros_like(degrees), torch.ones_like(degrees)
    shift = torch.stack((zero, zero), 1)
    return warp(images, affine_sources(angle=degrees.deg2rad(), lean=zero, factor=one, shift=shift), black=0.0)


def shear_x(images: Tensor, slope: Tensor) -> Tensor:
    """Rows move by `slope` times their distance from the centre."""
    return warp(images, moved(slope, place=(0, 1)), black=0.0)


def shear_y(images: Tensor, slope: Tensor) -> Tensor:
    """Columns move by `slope` times their distance from the centre."""
    return warp(images, moved(slope, place=(1, 0)), black=0.0)


def translate_x(images: Tensor, share: Tensor) -> Tensor:
    """To the right by a share of the width."""
    return warp(images, moved(share * images.shape[3], place=(0, 2)), black=0.0)


def translate_y(images: Tensor, share: Tensor) -> Tensor:
    """Down by a share of the height."""
    return warp(images, moved(share * images.shape[2], place=(1, 2)), black=0.0)


def moved(amount: Tensor, *, place: tuple[int, int]) -> Tensor:
    """(N, 3, 3) of p = q but for one entry."""
    matrix = torch.eye(3, device=amount.device).repeat(len(amount), 1, 1)
    matrix[:, place[0], place[1]] = -amount
    return matrix
