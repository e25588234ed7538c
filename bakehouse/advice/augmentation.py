"""Advice on augmentation."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, remove, replace
from bakehouse.plan.plan import Plan
from bakehouse.recipe.augmentation import (
    Affine,
    ColorJitter,
    Cutmix,
    HorizontalFlip,
    InputNoise,
    Mixup,
    ScaleCrop,
    TrivialAugment,
)

MAX_DEGREES = 45.0
WIDE_DEGREES = 135.0
MAX_HUE = 0.25


def flip_changes_meaning(plan: Plan) -> Iterator[Advice]:
    """The mirror image of a character is another or none."""
    for index, item in enumerate(plan.recipe.augmentation):
        if isinstance(item, HorizontalFlip) and item.probability > 0 and not plan.card.mirror_safe:
            yield Advice(
                code="flip_changes_meaning",
                severity="warning",
                pointer=f"/augmentation/{index}",
                message=f"{item.probability:.0%} of the samples of {plan.card.id} are mirrored, and there a mirror "
                "image means something else or nothing (b and d).",
                source="Goodfellow et al. 2016, Deep Learning, 7.4",
                patch=remove(f"/augmentation/{index}"),
            )


def rotation_changes_meaning(plan: Plan) -> Iterator[Advice]:
    """A 6 that stands on its head is a 9."""
    milder: float | str
    for index, item in enumerate(plan.recipe.augmentation):
        match item:
            case Affine(degrees=degrees) if degrees > MAX_DEGREES:
                most, field, milder = degrees, "degrees", Affine().degrees
            case TrivialAugment(space="wide"):
                most, field, milder = WIDE_DEGREES, "space", "rand_augment"
            case _:
                continue
        if not plan.card.mirror_safe:
            yield Advice(
                code="rotation_changes_meaning",
                severity="warning",
                pointer=f"/augmentation/{index}/{field}",
                message=f"{item.type} turns samples of {plan.card.id} by up to {most:g} degrees; there one that is "
                "turned so far means something else or nothing (6 and 9).",
                source="Goodfellow et al. 2016, Deep Learning, 7.4",
                patch=replace(f"/augmentation/{index}/{field}", milder),
            )


def scale_crop_without_room(plan: Plan) -> Iterator[Advice]:
    """At its own size, a square image has one window: itself."""
    _, *sides = plan.data.shape
    for index, item in enumerate(plan.recipe.augmentation):
        if isinstance(item, ScaleCrop) and item.low == max(sides) == min(sides):
            higher = -(-item.low * 8 // 7)
            # Both ends move: a range that begins above its end is refused.
            known = item.model_copy(update={"low": higher, "high": max(item.high or higher, higher)})
            yield Advice(
                code="scale_crop_without_room",
                severity="warning",
                pointer=f"/augmentation/{index}/low",
                message=f"resized to {item.low} pixels, the images of {plan.card.id} are as large as the window, which "
                "then has one place: nothing is changed. 256 for 224 is usual.",
                source="Simonyan & Zisserman 2015, arXiv 1409.1556, section 3.1",
                patch=replace(f"/augmentation/{index}", known),
            )


def hue_turned_far(plan: Plan) -> Iterator[Advice]:
    """Far round the circle, a red thing is green."""
    for index, item in enumerate(plan.recipe.augmentation):
        if isinstance(item, ColorJitter) and item.hue is not None and item.hue > MAX_HUE:
            yield Advice(
                code="hue_turned_far",
                severity="info",
                pointer=f"/augmentation/{index}/hue",
                message=f"hues turn by up to {item.hue:g} of the circle either way, and half a turn reaches all: "
                "colour tells the model hardly anything then. 0.1 is a mild turn.",
                source="Chen et al. 2020, arXiv 2002.05709, appendix A: at most 0.2",
                patch=replace(f"/augmentation/{index}/hue", 0.1),
            )


def input_noise_large(plan: Plan) -> Iterator[Advice]:
    """Noise as large as the data; without normalisation its unit is the data's own."""
    inputs = {"standardize": "inputs of std 1", "min_max": "inputs between 0 and 1", "whiten": "whitened inputs"}
    normalization = plan.recipe.dataset.normalization
    for index, item in enumerate(plan.recipe.augmentation):
        if isinstance(item, InputNoise) and item.std > 0.5 and normalization in inputs:
            yield Advice(
                code="input_noise_large",
                severity="warning",
                pointer=f"/augmentation/{index}/std",
                message=f"noise of std {item.std:g} on {inputs[normalization]} hides much of them; 0.1 is usual.",
                source="Goodfellow et al. 2016, Deep Learning, 7.5",
                patch=replace(f"/augmentation/{index}/std", 0.1),
            )


def smoothing_of_mixed_targets(plan: Plan) -> Iterator[Advice]:
    """Targets that are soft already."""
    smoothing = plan.recipe.objective.label_smoothing
    for item in plan.recipe.augmentation:
        if isinstance(item, Mixup | Cutmix) and smoothing is not None:
            yield Advice(
                code="smoothing_of_mixed_targets",
                severity="warning",
                pointer="/objective/label_smoothing",
                message=f"{item.type} shares each target between two classes, and label smoothing takes a further "
                f"{smoothing.epsilon:.0%} off both: the model is asked to be unsure twice.",
                source="Carratino et al. 2022, arXiv 2006.06049",
                patch=replace("/objective/label_smoothing", None),
            )
