"""The canonical recipe shows the values that the worker asks for."""

import pytest

from bakehouse.plan.defaults import (
    color_strengths,
    crop_padding,
    crop_scales,
    cutout_size,
    is_random,
    milestones,
    resize_range,
    step_size,
)
from bakehouse.recipe.augmentation import ColorJitter, Cutout, RandomCrop, ScaleCrop
from bakehouse.recipe.evaluation import Crops
from bakehouse.recipe.objective import Adversarial
from bakehouse.recipe.schedule import MultiStep
from tests.plan.cards import image_card, planned

SHAPE = (3, 32, 32)


def test_sizes_of_augmentation_are_those_of_the_papers() -> None:
    assert crop_padding(RandomCrop(), SHAPE) == 4
    assert resize_range(ScaleCrop(), (3, 224, 300)) == (256, 480)
    assert cutout_size(Cutout(), SHAPE) == 16
    assert color_strengths(ColorJitter(), SHAPE) == (0.5, 0.1)
    assert color_strengths(ColorJitter(), (1, 32, 32)) == (0, 0)


def test_a_value_of_the_recipe_replaces_the_default() -> None:
    assert crop_padding(RandomCrop(padding=1), SHAPE) == 1
    assert resize_range(ScaleCrop(low=40), SHAPE) == (40, 69)
    assert cutout_size(Cutout(size=3), SHAPE) == 3
    assert color_strengths(ColorJitter(saturation=0.0), SHAPE) == (0, 0.1)
    assert crop_scales(Crops(scales=(33,)), SHAPE) == (33,)
    assert milestones(MultiStep(milestones=(3,)), 100) == (3,)


@pytest.mark.parametrize(
    ("attack", "length", "is_random_start"),
    [
        (Adversarial(epsilon=0.3), 0.3, False),
        (Adversarial(epsilon=0.3, steps=10), 0.075, True),
        (Adversarial(epsilon=0.3, steps=2), 0.3, True),
        (Adversarial(epsilon=0.3, steps=2, step_size=0.1, random_start=False), 0.1, False),
    ],
)
def test_one_step_of_an_attack_goes_all_the_way(attack: Adversarial, length: float, is_random_start: bool) -> None:
    assert step_size(attack) == pytest.approx(length)
    assert is_random(attack) is is_random_start


def test_the_canonical_recipe_shows_the_same_values() -> None:
    document = {"architecture": "cnn", "augmentation": "random_crop", "schedule": "multi_step"}
    recipe = planned({**document, "evaluation": {"crops": {}}, "epochs": 40}, image_card()).recipe
    [crop], crops, schedule = recipe.augmentation, recipe.evaluation.crops, recipe.schedule
    assert isinstance(crop, RandomCrop)
    assert isinstance(schedule, MultiStep)
    assert crops is not None
    assert (crop.padding, crops.scales, schedule.milestones) == (4, (32, 36, 40), (20, 30))
