"""Augmentation: random changes of the training batches, drawn anew at every step."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, several


class RandomCrop(Ingredient):
    """Pads with black on all sides and cuts out a window of the old size at a random place, one for each
    sample. Images only."""

    main: ClassVar[str | None] = "padding"

    type: Literal["random_crop"] = "random_crop"
    padding: int | None = Field(default=None, ge=1, le=1024)
    """Pixels on each side; by default an eighth of the longer side, at least 1."""


class HorizontalFlip(Ingredient):
    """Mirrors a sample left to right. Images only; wrong where the mirror image means something else."""

    main: ClassVar[str | None] = "probability"

    type: Literal["horizontal_flip"] = "horizontal_flip"
    probability: float = Field(default=0.5, ge=0, le=1)
    """Of each sample to be mirrored."""


class InputNoise(Ingredient):
    """Adds N(0, std^2) to each input after normalisation."""

    main: ClassVar[str | None] = "std"

    type: Literal["input_noise"] = "input_noise"
    std: float = Field(default=0.1, gt=0, le=100)
    """In units of the normalised inputs (standard deviations of the data under `standardize`)."""


AnyAugmentation = RandomCrop | HorizontalFlip | InputNoise
Tagged = Annotated[AnyAugmentation, Field(discriminator="type")]
Augmentations = Annotated[tuple[Tagged, ...], Field(max_length=16), several(AnyAugmentation)]
