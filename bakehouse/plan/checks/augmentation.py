"""What augmentation needs of the data and of the rest of the recipe."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.augmentation import ColorJitter, Cutmix, Cutout, InputNoise, Mixup, RandomCrop, ScaleCrop
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

FOR_ROWS = ("input_noise", "mixup")
COLOR_CHANNELS = 3


def augmentation_fits_samples(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Noise and mixtures are for any numbers, all else for images."""
    if len(data.shape) == 3:
        return
    steps = f"sequences of {data.shape[0]} steps" if len(data.shape) == 2 else "rows"
    for index, item in enumerate(recipe.augmentation):
        if not isinstance(item, InputNoise | Mixup):
            told = f"{item.type} needs images; {recipe.dataset.id} holds {steps} of {data.shape[-1]} numbers"
            yield conflict(f"/augmentation/{index}", told, FOR_ROWS)


def augmentation_leaves_pixels(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Padding beyond the image's own size would cut out nothing but black, and a square of that size hide it all."""
    side = min(data.shape[1:], default=0)
    for index, item in enumerate(recipe.augmentation if len(data.shape) == 3 else ()):
        if isinstance(item, RandomCrop) and (item.padding or 0) >= side:
            message = f"should be below the image's side of {side}"
            yield conflict(f"/augmentation/{index}/padding", message, (f"< {side}",))
        if isinstance(item, Cutout) and (item.size or 0) > side:
            message = f"a square of {item.size} pixels may hide all of an image with a side of {side}"
            yield conflict(f"/augmentation/{index}/size", message, (f"<= {side}",))


def scales_cover_the_window(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A window of the old size must fit into the resized image."""
    side = min(data.shape[1:], default=0)
    for index, item in enumerate(recipe.augmentation if len(data.shape) == 3 else ()):
        if not isinstance(item, ScaleCrop) or item.low is None or item.high is None:
            continue
        if item.low < side:
            message = f"resized to {item.low} pixels, an image is smaller than the window of {side} that is cut out"
            yield conflict(f"/augmentation/{index}/low", message, (f">= {side}",))
        if item.high < item.low:
            message = f"should not be below low, which is {item.low}"
            yield conflict(f"/augmentation/{index}/high", message, (f">= {item.low}",))


def color_needs_rgb(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Saturation and hue are of red, green and blue."""
    for index, item in enumerate(recipe.augmentation):
        if isinstance(item, ColorJitter) and data.shape[0] != COLOR_CHANNELS:
            for name, value in (("saturation", item.saturation), ("hue", item.hue)):
                if value:
                    message = f"the images of {recipe.dataset.id} have no red, green and blue, and so no {name}"
                    yield conflict(f"/augmentation/{index}/{name}", message, ("0",))


def only_one_mixing(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """A mixture of mixtures is in neither paper."""
    places = [place for place, item in enumerate(recipe.augmentation) if isinstance(item, Mixup | Cutmix)]
    for place in places[1:]:
        first = recipe.augmentation[places[0]].type
        message = f"{first} already mixes samples, and a sample is mixed once; probability and alpha set how much"
        yield conflict(f"/augmentation/{place}", message)
