"""Builds the augmentations of a recipe, which work on whole training batches in three phases: before normalization,
after normalization, and mixing."""

from collections.abc import Iterator
from functools import partial
from typing import assert_never

from torch import Generator, Tensor

from bakehouse.data.photographs import Photographs
from bakehouse.plan.defaults import color_strengths, crop_padding, cutout_size, resize_range
from bakehouse.plan.pictures import common_crop
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
from worker.augmentation.photographs import crop_photographs, scale_photographs
from worker.augmentation.rand_augment import changes, rand_augment, trivial_augment
from worker.types import Mixing, Transform


def before_normalization(plan: Plan, photographs: Photographs | None = None) -> Iterator[Transform]:
    """Yields the changes of geometry and colour, which take images in stored units. With photographs, the first takes
    their places instead."""
    # Black and white are not always 0 and 255: digits with 17 levels are stored in bytes too.
    low, high = plan.card.minimum, plan.card.maximum
    for spec in plan.recipe.augmentation:
        if spec.phase != "pixels":
            continue
        match spec:
            case ScaleCrop() | RandomResizedCrop() if photographs is not None and spec is common_crop(plan.recipe):
                yield from_photographs(spec, plan, photographs)
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
                # The recipe's other fields have the names of the function's parameters.
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


def from_photographs(spec: ScaleCrop | RandomResizedCrop, plan: Plan, photographs: Photographs) -> Transform:
    """Returns the function that cuts windows of the model's size out of photographs."""
    side = plan.data.side
    match spec:
        case ScaleCrop():
            low, high = resize_range(spec, plan.data.shape)
            return partial(scale_photographs, photographs=photographs, low=low, high=high, side=side)
        case RandomResizedCrop():
            return partial(crop_photographs, photographs=photographs, area=spec.area, aspect=spec.aspect, side=side)
        case _:
            assert_never(spec)


def in_unit_range(spec: ColorJitter | RandAugment | TrivialAugment, plan: Plan) -> Transform:
    """Returns a colour change that takes images with values between 0 (black) and 1 (white)."""
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
    """Applies a transform for values between 0 and 1 to images with values between `low` and `high`."""
    # Images of a single value have no range to divide by.
    span = (high - low) or 1.0
    return transform((as_floats(images) - low) / span, generator) * span + low


def after_normalization(plan: Plan) -> Iterator[Transform]:
    """Yields the augmentations that take normalised inputs."""
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
    """Returns the mixup or cutmix of the recipe, or None. A plan allows one; it comes after all other augmentations."""
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
