"""Advice on augmentation."""

from collections.abc import Iterator

from bakehouse.advice.advice import remove, replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.defaults import color_strengths, resize_range
from bakehouse.plan.plan import Plan
from bakehouse.recipe.augmentation import (
    Affine,
    ColorJitter,
    Cutmix,
    GaussianBlur,
    HorizontalFlip,
    InputNoise,
    Mixup,
    RandAugment,
    ScaleCrop,
    TrivialAugment,
)
from bakehouse.recipe.objective import LabelSmoothing

MAX_DEGREES = 45.0
# The wide space of TrivialAugment turns images by up to 135 degrees (Müller & Hutter 2021).
WIDE_DEGREES = 135.0
MAX_HUE = 0.25
FILTER_WIDTH = 6
"""The filter of a blur ends at three times sigma on each side."""
LEAST_SIGMA = 0.01
MIRROR_SOURCE = "Goodfellow et al. 2016, Deep Learning, 7.4"


@rule("warning", about=(HorizontalFlip,), source=MIRROR_SOURCE)
def flip_changes_meaning(plan: Plan) -> Iterator[Finding]:
    """The mirror image of a character is another character, or none."""
    for pointer, item in plan.recipe.find(HorizontalFlip).items():
        if item.probability > 0 and not plan.card.mirror_safe:
            message = f"{item.probability:.0%} of the samples of {plan.card.id} are mirrored, and a mirrored sample "
            yield Finding(pointer, message + "means something else or nothing (b becomes d).", remove(pointer))


@rule("warning", about=(Affine, RandAugment, TrivialAugment), source=MIRROR_SOURCE)
def rotation_changes_meaning(plan: Plan) -> Iterator[Finding]:
    """An upside-down 6 is a 9."""
    milder: float | str
    for index, item in enumerate(plan.recipe.augmentation):
        match item:
            case Affine(degrees=degrees) if degrees > MAX_DEGREES:
                most = degrees
                field = "degrees"
                milder = Affine().degrees
            case TrivialAugment(space="wide"):
                most = WIDE_DEGREES
                field = "space"
                milder = "rand_augment"
            case _:
                continue
        if not plan.card.mirror_safe:
            pointer = f"/augmentation/{index}/{field}"
            message = f"{item.type} rotates samples of {plan.card.id} by up to {most:g} degrees; a sample that is "
            message += "rotated so far means something else or nothing (6 becomes 9)."
            yield Finding(pointer, message, replace(pointer, milder))


@rule("warning", about=(ScaleCrop,), source="Simonyan & Zisserman 2015, arXiv 1409.1556, section 3.1")
def scale_crop_without_room(plan: Plan) -> Iterator[Finding]:
    """A square image at its own size has only one window: itself."""
    _, *sides = plan.data.shape
    for pointer, item in plan.recipe.find(ScaleCrop).items():
        low, high = resize_range(item, plan.data.shape)
        if low == max(sides) == min(sides):
            # This is the usual ratio of 256 to a window of 224, rounded up.
            higher = -(-low * 8 // 7)
            # Both ends move: a range that begins above its end is refused.
            larger = item.model_copy(update={"low": higher, "high": max(high, higher)})
            message = f"resized to {low} pixels, the images of {plan.card.id} are as large as the window, which then "
            message += "has only one position: nothing changes. A size of 256 for a window of 224 is usual."
            yield Finding(f"{pointer}/low", message, replace(pointer, larger))


@rule("info", about=(ColorJitter,), source="Chen et al. 2020, arXiv 2002.05709, appendix A: at most 0.2")
def hue_turned_far(plan: Plan) -> Iterator[Finding]:
    """A large turn of the hue makes a red thing green."""
    for pointer, item in plan.recipe.find(ColorJitter).items():
        _, hue = color_strengths(item, plan.data.shape)
        if hue > MAX_HUE:
            message = f"hues turn by up to {hue:g} of the circle either way, and half a turn reaches every hue: colour "
            message += "then hardly means anything. 0.1 is a mild turn."
            yield Finding(f"{pointer}/hue", message, replace(f"{pointer}/hue", 0.1))


@rule("warning", about=(InputNoise,), source="Goodfellow et al. 2016, Deep Learning, 7.5")
def input_noise_large(plan: Plan) -> Iterator[Finding]:
    """The noise is as large as the data. Without normalisation its unit is unknown, and this rule does not apply."""
    inputs = {"standardize": "inputs of std 1", "min_max": "inputs between 0 and 1", "whiten": "whitened inputs"}
    normalization = plan.recipe.dataset.normalization
    for pointer, item in plan.recipe.find(InputNoise).items():
        if item.std > 0.5 and normalization in inputs:
            message = f"noise of std {item.std:g} on {inputs[normalization]} hides much of them; 0.1 is usual."
            yield Finding(f"{pointer}/std", message, replace(f"{pointer}/std", 0.1))


@rule("warning", about=(Mixup, Cutmix, LabelSmoothing), source="Carratino et al. 2022, arXiv 2006.06049")
def smoothing_of_mixed_targets(plan: Plan) -> Iterator[Finding]:
    """Mixing already softens the targets, as label smoothing does."""
    smoothing = plan.recipe.objective.label_smoothing
    pointer = "/objective/label_smoothing"
    for item in plan.recipe.augmentation:
        if item.phase == "mixing" and smoothing is not None:
            message = f"{item.type} shares each target between two classes, and label smoothing takes another "
            message += f"{smoothing.epsilon:.0%} off both: the model is made unsure twice."
            yield Finding(pointer, message, replace(pointer, None))


@rule("warning", about=(ColorJitter,), source="Howard 2013, arXiv 1312.5402")
def color_jitter_does_nothing(plan: Plan) -> Iterator[Finding]:
    """All strengths are 0."""
    for pointer, item in plan.recipe.find(ColorJitter).items():
        if not any((item.brightness, item.contrast, *color_strengths(item, plan.data.shape))):
            message = "all strengths of color_jitter are 0, so that it changes nothing; each is the range of a factor, "
            yield Finding(pointer, f"{message}and 0.5 means 0.5 to 1.5.", remove(pointer))


@rule("warning", about=(Mixup, Cutmix), source="Zhang et al. 2018, arXiv 1710.09412")
def mixing_without_partner(plan: Plan) -> Iterator[Finding]:
    """A batch of one row has no other sample to mix with."""
    for index, item in enumerate(plan.recipe.augmentation):
        if item.phase == "mixing" and plan.recipe.batch_size == 1:
            message = f"{item.type} mixes the samples of a batch, and a batch of one row has no other sample, so that "
            yield Finding(f"/augmentation/{index}", f"{message}it changes nothing.", remove(f"/augmentation/{index}"))


@rule("warning", about=(GaussianBlur,), source="Chen et al. 2020, arXiv 2002.05709, appendix A")
def blur_hides_the_image(plan: Plan) -> Iterator[Finding]:
    """The filter is as wide as the image, of which only its mean is left."""
    for pointer, item in plan.recipe.find(GaussianBlur).items():
        side, sigma = plan.data.side, max(item.sigma)
        if FILTER_WIDTH * sigma >= side and item.probability > 0:
            # The paper's sigma of 2 is for 224 pixels.
            high = max(LEAST_SIGMA, side / 112)
            low = min(item.sigma[0], high)
            message = f"at a sigma of {sigma:g} the filter is {FILTER_WIDTH * sigma:g} pixels wide and the images have "
            message += f"{side}, so that hardly more than their mean is left; the paper's 2 at 224 pixels is "
            yield Finding(f"{pointer}/sigma", f"{message}{high:.2g} here.", replace(f"{pointer}/sigma", [low, high]))
