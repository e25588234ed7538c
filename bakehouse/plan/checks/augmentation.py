"""Refuses augmentation that does not fit the data or the rest of the recipe."""

from collections.abc import Iterator
from typing import get_args

from bakehouse.plan.context import Context, check
from bakehouse.plan.defaults import crop_padding, cutout_size, resize_range
from bakehouse.recipe.augmentation import AnyAugmentation, ColorJitter, Cutout, RandomCrop, ScaleCrop
from bakehouse.recipe.problems import Problem, conflict

COLOR_CHANNELS = 3


@check("recipe")
def augmentation_takes_the_data(context: Context) -> Iterator[Problem]:
    """Refuses augmentation of images where the samples are not images; noise and mixing fit any samples."""
    kind = context.data.kind
    others = [other.model_fields["type"].default for other in get_args(AnyAugmentation) if kind in other.takes]
    for index, item in enumerate(context.recipe.augmentation):
        if kind not in item.takes:
            message = f"{item.type} needs images; {context.card.id} is {context.data}"
            yield conflict(f"/augmentation/{index}", message, tuple(others))


@check("recipe")
def crop_leaves_pixels(context: Context) -> Iterator[Problem]:
    """Refuses padding as wide as the image, with which a crop could be all black."""
    shape = context.data.shape
    # Samples without sides are refused by augmentation_takes_the_data; here they would fail.
    for pointer, item in context.recipe.find(RandomCrop).items() if context.data.is_image else ():
        if crop_padding(item, shape) >= context.data.side:
            message = f"should be below the image's side of {context.data.side}"
            yield conflict(f"{pointer}/padding", message, (f"< {context.data.side}",))


@check("recipe")
def cutout_leaves_pixels(context: Context) -> Iterator[Problem]:
    """Refuses a square larger than the image, which may hide all of it."""
    for pointer, item in context.recipe.find(Cutout).items() if context.data.is_image else ():
        size = cutout_size(item, context.data.shape)
        side = context.data.side
        if size > side:
            message = f"a square of {size} pixels may hide all of an image with a side of {side}"
            yield conflict(f"{pointer}/size", message, (f"<= {side}",))


@check("recipe")
def scales_cover_the_window(context: Context) -> Iterator[Problem]:
    """Refuses a resized image that is smaller than the window to cut out of it, and an empty range of sizes."""
    for pointer, item in context.recipe.find(ScaleCrop).items() if context.data.is_image else ():
        side = context.data.side
        low, high = resize_range(item, context.data.shape)
        if low < side:
            message = f"resized to {low} pixels, an image is smaller than the window of {side} that is cut out"
            yield conflict(f"{pointer}/low", message, (f">= {side}",))
        if high < low:
            yield conflict(f"{pointer}/high", f"should not be below low, which is {low}", (f">= {low}",))


@check("recipe")
def color_needs_rgb(context: Context) -> Iterator[Problem]:
    """Refuses changes of saturation and hue in images without red, green and blue."""
    if context.data.shape[0] == COLOR_CHANNELS:
        return
    for pointer, item in context.recipe.find(ColorJitter).items():
        for name, value in (("saturation", item.saturation), ("hue", item.hue)):
            if value:
                message = f"the images of {context.card.id} have no red, green and blue, and so no {name}"
                yield conflict(f"{pointer}/{name}", message, ("0",))


@check("recipe")
def only_one_mixing(context: Context) -> Iterator[Problem]:
    """Refuses a second augmentation that mixes samples; no paper mixes them twice."""
    mixing = [(index, item) for index, item in enumerate(context.recipe.augmentation) if item.phase == "mixing"]
    for index, _ in mixing[1:]:
        message = (
            f"{mixing[0][1].type} already mixes samples, and each is mixed only once; its probability and alpha set "
        )
        yield conflict(f"/augmentation/{index}", message + "how strongly")
