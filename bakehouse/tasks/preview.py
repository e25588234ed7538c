"""What `POST /v1/recipes/preview` shows: the picture, and what is where in it."""

from typing import Literal

from bakehouse.model import Model

KIND = "preview"
"""The name of the task that draws a preview."""
ROWS = 4
DRAWS = 8


class PreviewDescription(Model):
    """What is where in the picture of a preview. Each row of it is one training row of the data set: the original, and
    then the draws."""

    width: int
    """Width of the picture in pixels."""
    height: int
    """Height of the picture in pixels."""
    cell_width: int
    """Width of each sample in pixels."""
    cell_height: int
    """Height of each sample in pixels."""
    lefts: tuple[int, ...]
    """The left edge of each column in pixels, that of the originals first."""
    tops: tuple[int, ...]
    """The upper edge of each row in pixels."""
    shows: Literal["pixels", "bars", "lines", "heat_map"]
    """How a sample is drawn. `pixels`: images in their own colours. The others show normalised numbers. `bars`: a bar
    for each feature. `lines`: a line for each number of a step, or one through all features. `heat_map`: the steps from
    left to right and the numbers of a step from top to bottom. Behind bars and lines the original is drawn in grey."""
    draws: int
    """Number of draws of each row; 0 if the recipe has no augmentation."""
    labels: tuple[str, ...]
    """The label of each row: the name of its class or its number; empty if it has none."""
    transforms: tuple[str, ...]
    """The augmentations of the recipe, by `type`, in the order in which training applies them."""
    text: str
    """The picture in words, for people who do not see it."""


class RecipePreview(PreviewDescription):
    """A preview of a recipe as JSON: the picture, and what is where in it."""

    png: str
    """The picture as PNG, in base64."""


def pack(description: PreviewDescription, png: bytes) -> bytes:
    """Returns the result of the task: the description in one line, and the picture."""
    return description.model_dump_json().encode() + b"\n" + png


def unpack(result: bytes) -> tuple[bytes, bytes]:
    """Returns the description as JSON, and the picture."""
    description, _, png = result.partition(b"\n")
    return description, png
