"""Crops against slices that are written out."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from bakehouse.recipe.evaluation import Crops
from tests.small_trainings import DIGITS_CNN, Document, make_training, run_to_end
from worker.evaluation.crops import crops, positions, resize, rows_at_once

IMAGES = torch.arange(2 * 3 * 6 * 8, dtype=torch.float32).view(2, 3, 6, 8)


@pytest.mark.parametrize(
    ("whole", "wanted"),
    [
        ((4, 4), {(0, 0): 5}),
        ((4, 6), {(0, 0): 2, (0, 2): 2, (0, 1): 1}),
        ((5, 5), {(0, 0): 2, (0, 1): 1, (1, 0): 1, (1, 1): 1}),
        ((7, 9), {(0, 0): 1, (0, 5): 1, (3, 0): 1, (3, 5): 1, (1, 2): 1}),
        ((9, 11), {(0, 0): 1, (0, 7): 1, (5, 0): 1, (5, 7): 1, (2, 3): 1}),
    ],
)
def test_corners_and_centre_and_how_often_they_coincide_the_centre_rounded_down(
    whole: tuple[int, int], wanted: dict[tuple[int, int], int]
) -> None:
    assert positions(whole, (4, 4)) == wanted


@pytest.mark.parametrize(("scale", "size"), [(6, (6, 8)), (7, (7, 9)), (9, (9, 12))])
def test_the_shorter_side_is_resized_and_the_aspect_kept(scale: int, size: tuple[int, int]) -> None:
    resized = resize(IMAGES, scale)
    assert resized.shape[2:] == size
    wanted = functional.interpolate(IMAGES, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(resized, wanted)


def test_at_its_own_size_an_image_is_each_of_its_five_crops() -> None:
    [(crop, times)] = crops(IMAGES, Crops(scales=(6,), flips=False))
    assert torch.equal(crop, IMAGES)
    assert times == 5
    _, (mirrored, times) = crops(IMAGES, Crops(scales=(6,), flips=True))
    assert torch.equal(mirrored, IMAGES.flip(3))
    assert times == 5


def test_ten_crops_of_a_scale() -> None:
    found = [crop for crop, times in crops(IMAGES, Crops(scales=(9,), flips=True)) if times == 1]
    resized = resize(IMAGES, 9)
    assert len(found) == 10
    assert all(crop.shape == IMAGES.shape for crop in found)
    for crop, (top, left) in zip(found[::2], [(0, 0), (0, 4), (3, 0), (3, 4), (1, 2)], strict=True):
        assert torch.equal(crop, resized[:, :, top : top + 6, left : left + 8])
    for crop, mirrored in zip(found[::2], found[1::2], strict=True):
        assert torch.equal(mirrored, crop.flip(3))


@pytest.mark.parametrize(("scale", "rows"), [(8, 128), (512, 64), (4096, 1)])
def test_the_largest_scale_bounds_the_rows_that_are_resized_together(scale: int, rows: int) -> None:
    assert rows_at_once((1, 8, 8), Crops(scales=(8, scale))) == rows


def ended(crops: object, augmentation: object = None) -> tuple[dict[str, float], Crops | None]:
    """The metrics at the end of a run, and the canonical crops."""
    document: Document = {**DIGITS_CNN, "epochs": 1, "augmentation": augmentation, "evaluation": {"crops": crops}}
    training = make_training(document)
    return run_to_end(training).logged[-1]["metrics"], training.plan.recipe.evaluation.crops


def test_one_crop_is_the_plain_image() -> None:
    metrics, _ = ended([8])
    assert metrics["test_crops_loss"] == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert metrics["test_crops_accuracy"] == metrics["test_accuracy"]


def ten_crops(images: torch.Tensor, scale: int) -> list[torch.Tensor]:
    """All ten of square images, written out, whether or not they coincide."""
    side = images.shape[2]
    resized = images.float()
    if scale != side:
        resized = functional.interpolate(resized, (scale, scale), mode="bilinear", antialias=True)
    room = scale - side
    corners = [(0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)]
    found = [resized[:, :, top : top + side, left : left + side] for top, left in corners]
    return [*found, *(crop.flip(3) for crop in found)]


@pytest.mark.parametrize("scales", [[8, 10], [9], [8, 9, 13]])
def test_the_mean_is_of_the_probabilities_of_all_ten_crops_of_each_scale(scales: list[int]) -> None:
    training = make_training({**DIGITS_CNN, "epochs": 1, "evaluation": {"crops": {"scales": scales, "flips": True}}})
    metrics = run_to_end(training).logged[-1]["metrics"]
    assert training.best_weights is not None
    training.model.load_state_dict(training.best_weights)
    split = training.data.test
    views = [crop for scale in scales for crop in ten_crops(split.inputs, scale)]
    with torch.inference_mode():
        answers = np.stack([training.model.eval()(view).double().softmax(1).numpy() for view in views])
    right = answers.mean(0)[np.arange(len(split.targets)), split.targets.numpy()]
    assert metrics["test_crops_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_defaults_follow_the_images_size_and_the_augmentation() -> None:
    assert ended({})[1] == Crops(scales=(8, 9, 10), flips=False)
    assert ended({}, ["horizontal_flip"])[1] == Crops(scales=(8, 9, 10), flips=True)
    assert ended({"flips": False}, ["horizontal_flip"])[1] == Crops(scales=(8, 9, 10), flips=False)
