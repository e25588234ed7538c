"""Augmentation: random changes of the training batches, with new random numbers for each sample at every step.

A batch goes through three phases, and each class names its phase in `phase`. `pixels`: geometry and colour, in the
list's order, on images in stored units, in which black is the smallest value of the data set and white the largest;
pixels from outside the image are black. `inputs`: noise and cutout, in the list's order, on normalised inputs.
`mixing`: mixup or cutmix, which combine two samples. `takes` states the kinds of data that a class can change.
Validation and test data are never augmented.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bakehouse.recipe.ingredient import ANY_DATA, IMAGES, DataKind, Ingredient, several


def as_range(value: object) -> object:
    """Converts a list to a range; one number is short for both ends."""
    return tuple(value) if isinstance(value, list) else (value, value) if isinstance(value, int | float) else value


def ordered(value: tuple[float, float]) -> tuple[float, float]:
    """Raises ValueError if a range does not go from low to high."""
    if value[0] > value[1]:
        raise ValueError("the range must go from low to high")
    return value


WindowSize = Annotated[int | None, Field(ge=8, le=1024)]
Factor = Annotated[float, Field(gt=0, le=10)]
Share = Annotated[float, Field(gt=0, le=1)]
Factors = Annotated[
    tuple[Factor, Factor],
    BeforeValidator(as_range, json_schema_input_type=list[Factor] | Factor),
    AfterValidator(ordered),
]
Shares = Annotated[
    tuple[Share, Share],
    BeforeValidator(as_range, json_schema_input_type=list[Share] | Share),
    AfterValidator(ordered),
]
Sigma = Annotated[float, Field(ge=0.01, le=10)]
Sigmas = Annotated[
    tuple[Sigma, Sigma],
    BeforeValidator(as_range, json_schema_input_type=list[Sigma] | Sigma),
    AfterValidator(ordered),
]


class RandomCrop(Ingredient):
    """Pads each sample with black on all sides and cuts out a window of the original size at a random position. Images
    only.

    Default: 4 pixels for images of 32, as in the paper for CIFAR-10.

    Trap: black is the data set's smallest value, so that bright images get a dark edge.

    He et al. 2016, arXiv 1512.03385, section 4.2.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "padding"

    type: Literal["random_crop"] = "random_crop"
    padding: int | None = Field(default=None, ge=1, le=1024)
    """Number of pixels added on each side; by default an eighth of the longer side, at least 1."""


class ScaleCrop(Ingredient):
    """Resizes an image to a random length L of its shorter side and cuts out a window of the original size at a random
    position. L is a whole number, uniform from `low` to `high`; the aspect ratio is kept. Images only.

    Default: 256 to 480 for windows of 224, as in He et al. 2016, arXiv 1512.03385, section 3.4, and in the same
    proportion for other sizes.

    Trap: this is not `random_resized_crop`, which takes a share of the area and changes the aspect ratio.

    Simonyan & Zisserman 2015, arXiv 1409.1556, section 3.1.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    later_fields: ClassVar[frozenset[str]] = frozenset({"size"})
    type: Literal["scale_crop"] = "scale_crop"
    low: int | None = Field(default=None, ge=1, le=16_384)
    """Smallest L in pixels, at least the image's own shorter side; by default 8/7 of it (256 for 224)."""
    high: int | None = Field(default=None, ge=1, le=16_384)
    """Largest L in pixels; by default 15/7 of the shorter side (480 for 224)."""
    size: WindowSize = None
    """Side of the window if `dataset.size` is off: then L is the shorter side of the photograph, and `low` and `high`
    are in proportion to the window. By default the size that the data set's card says."""


class RandomResizedCrop(Ingredient):
    """Cuts out a box of random area, aspect ratio and position and resizes it to the original size. Images only.

    Default: the paper's area and aspect ratio.

    Trap: the default area suits photographs of 224 pixels: 8% of a small image is a few pixels; from 0.5 on is milder.

    Szegedy et al. 2015, arXiv 1409.4842, section 6.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "area"

    later_fields: ClassVar[frozenset[str]] = frozenset({"size"})
    type: Literal["random_resized_crop"] = "random_resized_crop"
    area: Shares = (0.08, 1.0)
    """Range of the box's area, as a share of the image."""
    aspect: Factors = (3 / 4, 4 / 3)
    """Range of the box's width over its height, uniform on a log scale."""
    size: WindowSize = None
    """Side of the window if `dataset.size` is off: then the box is cut out of the photograph, and resized to the
    window. By default the size that the data set's card says."""


class HorizontalFlip(Ingredient):
    """Mirrors a sample left to right. Images only.

    Default: half of the samples, so that both orientations are equally frequent.

    Trap: a mirrored b is a d: the data set says whether its classes may be mirrored.

    Krizhevsky et al. 2012, NeurIPS 25, section 4.1.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "probability"

    type: Literal["horizontal_flip"] = "horizontal_flip"
    probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is mirrored."""


class ColorJitter(Ingredient):
    """Changes brightness, contrast, saturation and hue, in this order, each clamped to the range of the data.

    Brightness is `x f`; contrast `m + f (x - m)` with the image's mean grey m; saturation `g + f (x - g)` with the
    pixel's grey g; hue is turned in HSV. The factors f are uniform in [1 - strength, 1 + strength]. Images only;
    saturation and hue need three channels: red, green and blue.

    Default: factors from 0.5 to 1.5; the hue only by a tenth of the circle, since a larger turn makes a red thing
    green.

    Trap: a strength is the range of a factor, and 0 changes nothing; some libraries add instead of multiplying, with
    the same numbers.

    Howard 2013, arXiv 1312.5402.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "brightness"

    type: Literal["color_jitter"] = "color_jitter"
    brightness: float = Field(default=0.5, ge=0, le=1)
    """Strength: 0.5 means a factor between 0.5 and 1.5."""
    contrast: float = Field(default=0.5, ge=0, le=1)
    """Strength, as for `brightness`."""
    saturation: float | None = Field(default=None, ge=0, le=1)
    """Strength, as for `brightness`; by default 0.5 for three channels and 0 for others."""
    hue: float | None = Field(default=None, ge=0, le=0.5)
    """Largest turn of the colour circle either way, in whole turns: at 0.5 every colour may become every other. By
    default 0.1 for three channels and 0 for others."""


class GaussianBlur(Ingredient):
    """Smooths an image with weights `exp(-d^2 / (2 sigma^2))` over their sum, where d is the distance in pixels, along
    rows and then along columns.

    Each sample has its sigma, uniform in the range. The filter ends at three times the largest sigma, and the pixels at
    the edge continue outside. Images only.

    Default: half of the samples and the paper's sigma, which is for images of 224 pixels.

    Trap: sigma is in pixels: a sigma of 2 hardly shows at 224 pixels, but removes all small detail at 32; the paper
    used no blur for CIFAR-10.

    Chen et al. 2020, arXiv 2002.05709, appendix A.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "sigma"

    type: Literal["gaussian_blur"] = "gaussian_blur"
    sigma: Sigmas = (0.1, 2.0)
    """Range of the filter's standard deviation in pixels."""
    probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is blurred."""


class Affine(Ingredient):
    """Rotates, shears, scales and shifts an image about its centre, with one matrix and one bilinear interpolation.

    `q = s R(angle) H(shear) p + t` for a pixel at p, each number uniform in its range; pixels from outside are black.
    Images only.

    Default: small changes: 10 degrees, a tenth of the side and of the size, and 5 degrees of shear.

    Trap: a 6 turned by 180 degrees is a 9.

    Simard et al. 2003.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "degrees"

    type: Literal["affine"] = "affine"
    degrees: float = Field(default=10.0, ge=0, le=180)
    """Largest rotation in either direction, in degrees."""
    translate: float = Field(default=0.1, ge=0, le=1)
    """Largest shift in either direction, as a share of the side."""
    scale: Factors = (0.9, 1.1)
    """Range of the factor by which the size changes."""
    shear: float = Field(default=5.0, ge=0, le=60)
    """Largest angle by which vertical lines lean in either direction, in degrees."""


class Perspective(Ingredient):
    """Views an image at an angle: each corner moves inward, and the rest follows by a homography.

    A corner moves by up to `distortion_scale` times half the side, in each direction; the area around is black. Beyond
    2/3 the four corners may not be convex, and the image would fold. Images only.

    Default: 0.5 for half of the samples, as in torchvision.

    Trap: corners only move inward, so that a changed image is also smaller.

    Hartley & Zisserman 2004, Multiple View Geometry, section 2.3.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "distortion_scale"

    type: Literal["perspective"] = "perspective"
    distortion_scale: float = Field(default=0.5, ge=0, le=0.6)
    """Largest move of a corner, as a share of half the side."""
    probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""


class RandAugment(Ingredient):
    """Applies a few of 14 changes, drawn with repetition, all at one magnitude.

    The changes are none, autocontrast, equalize, rotate, solarize, color, posterize, contrast, brightness, sharpness,
    and shear and shift along x and y, with random signs. Images with neither one nor three channels have no `color`.
    Images only.

    Default: 2 changes at magnitude 9, as in torchvision.

    Trap: the best magnitude is larger for larger networks, so a value found with a small network does not suit a large
    one.

    Cubuk et al. 2020, arXiv 1909.13719.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "magnitude"

    type: Literal["rand_augment"] = "rand_augment"
    num_ops: int = Field(default=2, ge=1, le=16)
    """Number of changes to each sample."""
    magnitude: int = Field(default=9, ge=0, le=30)
    """Strength of the changes, out of 30: at 30 the image is rotated by 30 degrees, sheared by 0.3, shifted by 150/331
    of its side, at factors 0.1 or 1.9, and left with 4 bits."""


class TrivialAugment(Ingredient):
    """Applies one of the 14 changes of `rand_augment` at a random magnitude: nothing to tune. Images only.

    Default: `wide`, the paper's own space.

    Trap: `wide` may turn a 6 into a 9, and its shift of 32 pixels moves an image of 32 out of view; `rand_augment` does
    neither.

    Müller & Hutter 2021, arXiv 2103.10158.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["pixels"]] = "pixels"
    main: ClassVar[str | None] = "space"

    type: Literal["trivial_augment"] = "trivial_augment"
    space: Literal["wide", "rand_augment"] = "wide"
    """Largest magnitudes. `wide`: up to 135 degrees, a shear of 0.99, a shift of 32 pixels, factors 0.01 and 1.99, 2
    bits. `rand_augment`: up to the magnitude 30 of that augmentation."""


class InputNoise(Ingredient):
    """Adds `N(0, std^2)` to each input after normalisation. In linear regression such noise acts as the L2 penalty
    `std^2 |w|^2`.

    Default: 0.1, a tenth of a standard deviation under `standardize`.

    Trap: without normalisation the unit is the data's own, and 0.1 is next to nothing for pixels from 0 to 255.

    Trap: in a table the one-hot features of categories and the flags of empty cells, which are 0 or 1, get the noise
    too: at 0.5 it often hides the class.

    Bishop 1995, Neural Computation 7; Goodfellow et al. 2016, 7.5.
    """

    takes: ClassVar[frozenset[DataKind]] = ANY_DATA
    phase: ClassVar[Literal["inputs"]] = "inputs"
    main: ClassVar[str | None] = "std"

    type: Literal["input_noise"] = "input_noise"
    std: float = Field(default=0.1, gt=0, le=100)
    """Standard deviation of the noise, in units of the normalised inputs (standard deviations of the data under
    `standardize`)."""


class Cutout(Ingredient):
    """Sets a square at a random position to 0 after normalisation. The centre may be any pixel, so that part of the
    square may lie outside the image. Images only.

    Default: half the shorter side, which is 16 of 32 pixels as in the paper for ten classes; for a hundred classes it
    used 8.

    Trap: 0 is the mean only under `standardize` and `whiten`.

    DeVries & Taylor 2017, arXiv 1708.04552.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["inputs"]] = "inputs"
    main: ClassVar[str | None] = "size"

    type: Literal["cutout"] = "cutout"
    size: int | None = Field(default=None, ge=1, le=16_384)
    """Side of the square in pixels; by default half the shorter side."""


class Mixup(Ingredient):
    """Mixes each sample and its target with another of the batch: `l x_i + (1 - l) x_j`, `l y_i + (1 - l) y_j`.

    `l ~ Beta(alpha, alpha)` is drawn for each sample (in the paper's code, for each batch). Mixing comes last, after
    normalisation, and works with any kind of data.

    Default: 0.2, from the range 0.1 to 0.4 that the paper used for ImageNet; for CIFAR it used 1.

    Trap: the training loss is that of mixed targets and cannot be compared with the validation loss; training accuracy
    counts the target with the larger share.

    Trap: in a table the encoded rows are mixed: a category becomes shares of two classes, and an embedding the mixture
    of theirs; sine and cosine of a date no longer lie on the circle.

    Zhang et al. 2018, arXiv 1710.09412.
    """

    takes: ClassVar[frozenset[DataKind]] = ANY_DATA
    phase: ClassVar[Literal["mixing"]] = "mixing"
    main: ClassVar[str | None] = "alpha"

    type: Literal["mixup"] = "mixup"
    alpha: float = Field(default=0.2, ge=0.01, le=100)
    """Both parameters of the Beta distribution: near 0 samples stay almost as they are, 1 is uniform, larger values mix
    half and half."""


class Cutmix(Ingredient):
    """Pastes a box of another sample of the batch into each sample, and mixes the targets by the shares of the area.

    The side of the box is `sqrt(1 - l)` of the image's, with `l ~ Beta(alpha, alpha)`, and its centre may be any pixel;
    the part outside the image is cut off, and the targets' shares are those of the visible pixels. Mixing comes last,
    after normalisation. Images only.

    Default: alpha 1 and half of the samples, as in the paper's code for CIFAR.

    Trap: the box counts by its area, even where it holds nothing but background.

    Trap: as for `mixup`, the training loss is that of mixed targets.

    Yun et al. 2019, arXiv 1905.04899.
    """

    takes: ClassVar[frozenset[DataKind]] = IMAGES
    phase: ClassVar[Literal["mixing"]] = "mixing"
    main: ClassVar[str | None] = "alpha"

    type: Literal["cutmix"] = "cutmix"
    alpha: float = Field(default=1.0, ge=0.01, le=100)
    """Both parameters of the Beta distribution; 1 is uniform."""
    probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""


AnyAugmentation = (
    RandomCrop
    | ScaleCrop
    | RandomResizedCrop
    | HorizontalFlip
    | ColorJitter
    | GaussianBlur
    | Affine
    | Perspective
    | RandAugment
    | TrivialAugment
    | InputNoise
    | Cutout
    | Mixup
    | Cutmix
)
Tagged = Annotated[AnyAugmentation, Field(discriminator="type")]
Augmentations = Annotated[tuple[Tagged, ...], Field(max_length=16), several(AnyAugmentation)]
