"""The size that a recipe gives the pictures of a folder, in place of the one with which the set was packed."""

from dataclasses import dataclass

from bakehouse.plan.card import DatasetCard
from bakehouse.recipe.augmentation import RandomResizedCrop, ScaleCrop
from bakehouse.recipe.recipe import Recipe

INDEX_BYTES = 32
"""Bytes that say where a photograph is, and its size."""
RESIZED_BYTES = 64 << 20
"""Limit on the size of a batch of resized images, whose memory grows with the square of the scale."""


@dataclass(frozen=True)
class PictureSize:
    """A size of pictures."""

    side: int
    """Side of the square."""
    short: int | None = None
    """If the photographs are kept at their own sizes beside the squares, the length to which their shorter side is
    scaled before the square is cut out of the centre."""

    def __str__(self) -> str:
        return f"{self.side}" if self.short is None else f"{self.side}-{self.short}"

    @classmethod
    def parse(cls, text: str) -> "PictureSize":
        """Reads what `str` has written."""
        return cls(*map(int, text.split("-")))


def picture_size(recipe: Recipe, card: DatasetCard) -> PictureSize | None:
    """Returns the size that the recipe asks for; None if the pictures are packed with it, or if there are none."""
    side = recipe.dataset.size
    if side is None or card.format != "pictures":
        return None
    if side == "off":
        return window_of(recipe, card)
    return None if card.shape[1:] == (side, side) else PictureSize(side)


def window_of(recipe: Recipe, card: DatasetCard) -> PictureSize | None:
    """Returns the window that is cut out of photographs; None if the recipe has none, which a check refuses."""
    crop = common_crop(recipe)
    if crop is None:
        return None
    side = crop.size or min(card.shape[1:])
    short = (crop.low if isinstance(crop, ScaleCrop) else None) or short_side(side)
    # A shorter side below that of the window is refused by a check.
    return PictureSize(side, max(side, short))


def short_side(side: int) -> int:
    """Returns the length to which the shorter side of an image is scaled for a window: 256 for 224."""
    return -(-side * 8 // 7)


def common_crop(recipe: Recipe) -> ScaleCrop | RandomResizedCrop | None:
    """Returns the augmentation that cuts windows of one size out of photographs of any size, if the recipe has it."""
    first = recipe.augmentation[0] if recipe.augmentation else None
    return first if recipe.dataset.size == "off" and isinstance(first, ScaleCrop | RandomResizedCrop) else None


def with_size(card: DatasetCard, size: PictureSize | None) -> DatasetCard:
    """Returns the card of the pictures at this size, of which everything but the shape stays as it is."""
    return card if size is None else card.model_copy(update={"shape": (card.shape[0], size.side, size.side)})


def bytes_of_photographs(recipe: Recipe, card: DatasetCard) -> int:
    """Returns the bytes that photographs take while windows are cut out of them: the index of all, one of the largest,
    and one resized, of each a copy in Pillow. `recipe` has its defaults filled in."""
    crop = common_crop(recipe)
    sizes = card.own_sizes
    if crop is None or sizes is None:
        return 0
    rows = card.counts.train + (card.counts.validation or 0) + (card.counts.test or 0)
    scale = max((crop.high if isinstance(crop, ScaleCrop) else None) or 0, short_side(card.shape[1]))
    largest = min(sizes.pixels, sizes.longest**2)
    at_once = RESIZED_BYTES if recipe.evaluation.crops is not None else 0
    return INDEX_BYTES * rows + 2 * card.shape[0] * (largest + round(sizes.elongation * scale**2)) + at_once
