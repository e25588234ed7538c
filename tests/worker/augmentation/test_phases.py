"""A recipe's augmentation as callables: the order, the units, and what the draws depend on."""

from typing import Any, get_args

import pytest
import torch

from bakehouse.plan.plan import Plan
from bakehouse.recipe.augmentation import AnyAugmentation
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import image_card, planned
from tests.worker.augmentation.draw import generator, pictures
from worker.augmentation.phases import after_normalization, before_normalization, mixing

NAMES = [kind.model_fields["type"].default for kind in get_args(AnyAugmentation)]
AFTER, MIXING = {"input_noise", "cutout"}, {"mixup", "cutmix"}


def plan_of(*augmentation: Any, channels: int = 3, **card: Any) -> Plan:
    known = image_card(channels=channels, side=16).model_copy(update=card)
    return planned({"architecture": "linear", "augmentation": list(augmentation)}, known)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_one_phase(name: str) -> None:
    plan = plan_of(name)
    counts = (len(list(before_normalization(plan))), len(list(after_normalization(plan))), mixing(plan) is not None)
    assert counts == (name not in AFTER | MIXING, name in AFTER, name in MIXING)


@pytest.mark.parametrize("name", sorted(set(NAMES) - MIXING))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_draw_is_the_generators_and_differs_within_a_batch(name: str, channels: int, dtype: torch.dtype) -> None:
    images = (pictures(1, channels, 16, 16).expand(64, channels, 16, 16) * 255).round().to(dtype)
    if name in AFTER:
        images = images.float()
    plan = plan_of(name, channels=channels)
    [transform] = (*before_normalization(plan), *after_normalization(plan))
    found = transform(images, generator(5))
    assert found.shape == images.shape
    assert torch.equal(found, transform(images, generator(5)))
    assert not torch.equal(found, transform(images, generator(6)))
    # A flip has two outcomes, and half of what perspective sees stays as it is.
    assert len({image.numpy().tobytes() for image in found}) >= (2 if name == "horizontal_flip" else 15)


@pytest.mark.parametrize("name", sorted(MIXING))
def test_the_draw_of_mixtures_is_the_generators(name: str) -> None:
    images, targets = pictures(20, 3, 16, 16), torch.arange(20) % 10
    mix = mixing(plan_of(name))
    assert mix is not None
    (first, shares), (again, _), (other, _) = (mix(images, targets, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert shares.shape == (20, 10)


def test_they_come_in_the_recipes_order_within_their_phase() -> None:
    flip, crop = {"type": "horizontal_flip", "probability": 1}, {"type": "random_crop", "padding": 1}
    plan = plan_of("mixup", "cutout", "input_noise", flip, crop)
    image = torch.arange(256.0).reshape(1, 1, 16, 16)
    mirror, window = before_normalization(plan)
    assert torch.equal(mirror(image, generator()), image.flip(-1))
    assert window(image + 1, generator()).min() == 0
    cut, noisy = after_normalization(plan)
    assert float((cut(image + 1, generator()) == 0).sum()) >= 16
    assert float((noisy(image, generator()) - image).abs().max()) < 1


@pytest.mark.parametrize("name", ["color_jitter", "rand_augment", "trivial_augment"])
@pytest.mark.parametrize("extent", [(0.0, 16.0), (-1.0, 1.0), (0.5, 3.0)])
def test_colour_is_between_the_least_and_the_largest_value_of_the_data(name: str, extent: tuple[float, float]) -> None:
    low, high = extent
    images = pictures(40, 3, 16, 16)
    [in_bytes] = before_normalization(plan_of(name))
    [in_units] = before_normalization(plan_of(name, dtype="float32", minimum=low, maximum=high))
    wanted = in_bytes((images * 255).round().to(torch.uint8), generator()) / 255
    found = (in_units(images * (high - low) + low, generator()) - low) / (high - low)
    # Levels of 255 and shares of a range may round to either side of a step of posterize or solarize.
    assert float(((found - wanted).abs() > 1e-3).double().mean()) < 0.01
    assert abs(found - 0.5).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("name", ["random_crop", "affine", "perspective"])
def test_what_comes_in_from_outside_is_the_least_value(name: str) -> None:
    [transform] = before_normalization(plan_of(name, dtype="float32", minimum=-2.0, maximum=1.0))
    found = transform(torch.full((50, 3, 16, 16), 1.0), generator())
    assert abs(float(found.min()) + 2) < 1e-5
    assert abs(float(found.max()) - 1) < 1e-5


@pytest.mark.parametrize("name", sorted(set(NAMES) - MIXING - AFTER))
def test_bytes_that_end_before_255_stay_in_their_range(name: str) -> None:
    images = (pictures(30, 3, 16, 16) * 16).round().to(torch.uint8)
    [transform] = before_normalization(plan_of(name, maximum=16.0))
    assert float((transform(images, generator()).float() - 8).abs().max()) <= 8 + 1e-4


def test_data_of_one_value_can_be_augmented() -> None:
    plan = plan_of("color_jitter", dtype="float32", minimum=0.0, maximum=0.0)
    [transform] = before_normalization(plan)
    assert torch.equal(transform(torch.zeros(4, 3, 16, 16), generator()), torch.zeros(4, 3, 16, 16))


SIZED: list[dict[str, Any]] = [
    *[{"type": name} for name in NAMES],
    *[{"type": "random_crop", "padding": padding} for padding in (1, 2, 8, 1024)],
    *[{"type": "scale_crop", "low": low, "high": high} for low in (1, 2, 9, 16_384) for high in (2, 16_384)],
    {"type": "random_resized_crop", "area": [1e-9, 1e-9], "aspect": [1e-9, 10]},
    *[{"type": "cutout", "size": size} for size in (1, 2, 8, 9, 16_384)],
]


@pytest.mark.parametrize("sides", [(1, 1), (1, 2), (2, 1), (2, 9), (8, 8)], ids=str)
def test_sizes_beyond_the_picture_are_refused_with_a_pointer_or_leave_a_picture(sides: tuple[int, int]) -> None:
    images, pointers = torch.randint(0, 256, (5, 3, *sides), dtype=torch.uint8), set()
    for spec in SIZED:
        try:
            plan = plan_of(spec, shape=(3, *sides))
        except RecipeInvalid as refused:
            pointers |= {problem.pointer for problem in refused.problems}
            continue
        found = images
        for transform in (*before_normalization(plan), *after_normalization(plan)):
            found = transform(found.float(), generator(5))
        if (mix := mixing(plan)) is not None:
            found, _ = mix(found.float(), torch.arange(5), generator(5))
        assert found.shape == images.shape
        assert bool(found.float().isfinite().all())
    assert pointers <= {f"/augmentation/0/{name}" for name in ("padding", "low", "high", "size")}
