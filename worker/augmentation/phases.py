"""What a recipe does to its training batches, in three phases: on whole batches, on the device, drawn from the step's
generator."""

from collections.abc import Iterator
from functools import partial
from typing import assert_never

from torch import Generator, Tensor

from bakehouse.plan.defaults import color_strengths, crop_padding, cutout_size, resize_range
from bakehouse.plan.plan import Plan
from bakehouse.recipe.augmentation import (
    Affine,
    ColorJitter,
    Cutmix,
    Cutout,
    GaussianBlur,
    HorizontalFlip,
    InputNoise,
    Mixup,
    Perspective,
    RandAugment,
    RandomCrop,
    RandomResizedCrop,
    ScaleCrop,
    TrivialAugment,
)
from worker.augmentation.blur import gaussian_blur
from worker.augmentation.boxes import cutout
from worker.augmentation.color import color_jitter
from worker.augmentation.crops import random_crop, random_resized_crop, scale_crop
from worker.augmentation.geometry import affine, as_floats, horizontal_flip, perspective
from worker.augmentation.mixing import cutmix, mixup
from worker.augmentation.noise import input_noise
from worker.augmentation.rand_augment import changes, rand_augment, trivial_augment
from worker.types import Mixing, Transform


def before_normalization(plan: Plan) -> Iterator[Transform]:
    """Geometry and colour, on images in stored units."""
    # Not 0 and 255: digits of 17 levels are stored in bytes too.
    low, high = plan.card.minimum, plan.card.maximum
    for spec in plan.recipe.augmentation:
        if spec.phase != "pixels":
            continue
        match spec:
            case RandomCrop():
                yield partial(random_crop, padding=crop_padding(spec, plan.data.shape), black=low)
            case ScaleCrop():
                smallest, largest = resize_range(spec, plan.data.shape)
                yield partial(scale_crop, low=smallest, high=largest)
            case RandomResizedCrop():
                yield partial(random_resized_crop, area=spec.area, aspect=spec.aspect)
            case HorizontalFlip():
                yield partial(horizontal_flip, probability=spec.probability)
            case Affine():
                numbers = spec.model_dump(exclude={"type"})
                yield partial(affine, **numbers, black=low)
            case Perspective():
                yield partial(
                    perspective, distortion_scale=spec.distortion_scale, probability=spec.probability, black=low
                )
            case GaussianBlur():
                yield partial(gaussian_blur, sigma=spec.sigma, probability=spec.probability)
            case ColorJitter() | RandAugment() | TrivialAugment():
                yield partial(on_unit_range, transform=in_unit_range(spec, plan), low=low, high=high)
            case _:
                assert_never(spec)


def in_unit_range(spec: ColorJitter | RandAugment | TrivialAugment, plan: Plan) -> Transform:
    """Those that mean images between black, 0, and white, 1."""
    match spec:
        case ColorJitter(brightness=brightness, contrast=contrast):
            saturation, hue = color_strengths(spec, plan.data.shape)
            return partial(color_jitter, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        case RandAugment(num_ops=count, magnitude=magnitude):
            pool = changes("rand_augment", plan.data.shape)
            return partial(rand_augment, num_ops=count, magnitude=magnitude, changes=pool)
        case TrivialAugment(space=space):
            return partial(trivial_augment, changes=changes(space, plan.data.shape))
        case _:
            assert_never(spec)


def on_unit_range(images: Tensor, generator: Generator, *, transform: Transform, low: float, high: float) -> Tensor:
    """Images between `low` and `high`, changed between 0 and 1."""
    span = (high - low) or 1.0
    return transform((as_floats(images) - low) / span, generator) * span + low


def after_normalization(plan: Plan) -> Iterator[Transform]:
    """Those whose unit is the normalised input's."""
    for spec in plan.recipe.augmentation:
        if spec.phase != "inputs":
            continue
        match spec:
            case InputNoise():
                yield partial(input_noise, std=spec.std)
            case Cutout():
                yield partial(cutout, size=cutout_size(spec, plan.data.shape))
            case _:
                assert_never(spec)


def mixing(plan: Plan) -> Mixing | None:
    """What makes one sample of two; last, so that it mixes what the others made. The plan allows one."""
    for spec in plan.recipe.augmentation:
        if spec.phase != "mixing":
            continue
        match spec:
            case Mixup():
                return partial(mixup, alpha=spec.alpha, outputs=plan.outputs)
            case Cutmix():
                return partial(cutmix, alpha=spec.alpha, probability=spec.probability, outputs=plan.outputs)
            case _:
                assert_never(spec)
    return None
