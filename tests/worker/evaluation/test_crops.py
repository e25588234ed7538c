"""Crops against slices that are written out."""

import pytest
import torch
from torch.nn import functional

from bakehouse.recipe.evaluation import Crops
from tests.small_trainings import PICTURES, Document, finished, training_of
from worker.evaluation.crops import at_scale, crops, places, rows_at_once

IMAGES = torch.arange(2 * 3 * 6 * 8, dtype=torch.float32).view(2, 3, 6, 8)


@pytest.mark.parametrize(
    ("whole", "wanted"),
    [
        ((4, 4), [(0, 0)]),
        ((4, 6), [(0, 0), (0, 2), (0, 1)]),
        ((5, 5), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ((7, 9), [(0, 0), (0, 5), (3, 0), (3, 5), (1, 2)]),
        ((9, 11), [(0, 0), (0, 7), (5, 0), (5, 7), (2, 3)]),
    ],
)
def test_corners_and_centre_once_each_the_centre_rounded_down(
    whole: tuple[int, int], wanted: list[tuple[int, int]]
) -> None:
    assert places(whole, (4, 4)) == wanted


@pytest.mark.parametrize(("scale", "size"), [(6, (6, 8)), (7, (7, 9)), (9, (9, 12))])
def test_the_shorter_side_is_resized_and_the_aspect_kept(scale: int, size: tuple[int, int]) -> None:
    resized = at_scale(IMAGES, scale)
    assert resized.shape[2:] == size
    wanted = functional.interpolate(IMAGES, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(resized, wanted)


def test_at_its_own_size_an_image_has_one_crop_which_is_itself() -> None:
    [crop] = crops(IMAGES, Crops(scales=(6,), flips=False))
    assert torch.equal(crop, IMAGES)
    crop, mirrored = crops(IMAGES, Crops(scales=(6,), flips=True))
    assert torch.equal(mirrored, IMAGES.flip(3))


def test_ten_crops_of_a_scale() -> None:
    found = list(crops(IMAGES, Crops(scales=(9,), flips=True)))
    resized = at_scale(IMAGES, 9)
    assert len(found) == 10
    assert all(crop.shape == IMAGES.shape for crop in found)
    for crop, (top, left) in zip(found[::2], [(0, 0), (0, 4), (3, 0), (3, 4), (1, 2)], strict=True):
        assert torch.equal(crop, resized[:, :, top : top + 6, left : left + 8])
    for crop, mirrored in zip(found[::2], found[1::2], strict=True):
        assert torch.equal(mirrored, crop.flip(3))


@pytest.mark.parametrize(("scale", "rows"), [(8, 128), (512, 64), (4096, 1)])
def test_the_largest_scale_bounds_the_rows_that_are_resized_together(scale: int, rows: int) -> None:
    assert rows_at_once(torch.zeros(300, 1, 8, 8), Crops(scales=(8, scale))) == rows


def ended(crops: object, augmentation: object = None) -> tuple[dict[str, float], Crops | None]:
    """The metrics at the end of a run, and the canonical crops."""
    document: Document = {**PICTURES, "epochs": 1, "augmentation": augmentation, "evaluation": {"crops": crops}}
    training = training_of(document)
    return finished(training).told[-1]["metrics"], training.plan.recipe.evaluation.crops


def test_one_crop_is_the_plain_image() -> None:
    metrics, _ = ended([8])
    assert metrics["test_crops_loss"] == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert metrics["test_crops_accuracy"] == metrics["test_accuracy"]


def test_the_mean_is_of_probabilities() -> None:
    training = training_of({**PICTURES, "epochs": 1, "evaluation": {"crops": {"scales": [8, 10], "flips": True}}})
    metrics = finished(training).told[-1]["metrics"]
    assert training.best_weights is not None
    training.model.load_state_dict(training.best_weights)
    spec, split = training.plan.recipe.evaluation.crops, training.data.test
    assert spec is not None
    with torch.inference_mode():
        views = torch.stack([training.model.eval()(crop).double().softmax(1) for crop in crops(split.inputs, spec)])
    chosen = views.mean(0)[torch.arange(len(split.targets)), split.targets]
    assert len(views) == 12
    assert metrics["test_crops_loss"] == pytest.approx(-float(chosen.log().mean()), rel=1e-5)


def test_defaults_follow_the_images_size_and_the_augmentation() -> None:
    assert ended({})[1] == Crops(scales=(8, 9, 10), flips=False)
    assert ended({}, ["horizontal_flip"])[1] == Crops(scales=(8, 9, 10), flips=True)
    assert ended({"flips": False}, ["horizontal_flip"])[1] == Crops(scales=(8, 9, 10), flips=False)
