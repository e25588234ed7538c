"""Training and testing on photographs of their own sizes, against windows that are cut out by Pillow."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, nn
from torch.nn import functional

from bakehouse.data.catalog import Catalog
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from tests import photographs
from tests.small_trainings import run_to_end
from worker.attempt.snapshot import restore, snapshot, to_files
from worker.augmentation.photographs import crop_photographs, scale_photographs
from worker.data.batches import Batches
from worker.data.dataset import Data, load_data
from worker.evaluation.averaging import Averages
from worker.evaluation.crops import batches_of_crops, over_crops
from worker.evaluation.standalone.reading import read_picture
from worker.tasks.preview import draw_preview
from worker.training.curriculum import AllRows
from worker.training.training import Training

SIDE, LOW, HIGH = 16, 18, 30


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with the folder, which is packed once for all tests."""
    return photographs.write(tmp_path_factory.mktemp("photographs"))


def prepared(settings: Settings, **document: Any) -> tuple[Plan, Data]:
    """The plan and the data of a recipe."""
    dataset = {"id": photographs.NAME, "size": "off", "max_unreadable": photographs.SHARE}
    crop = {"type": "scale_crop", "size": SIDE, "low": LOW, "high": HIGH}
    small = {"architecture": "linear", "augmentation": crop, "batch_size": 4, "epochs": 1}
    recipe = read_recipe({"dataset": dataset, **small, **document})
    catalog = Catalog(settings)
    plan = make_plan(recipe, catalog.card(photographs.NAME, wait_seconds=60))
    return plan, load_data(plan, catalog.sized_folder(photographs.NAME, plan.picture_size), torch.device("cpu"))


def generator() -> Generator:
    return torch.Generator().manual_seed(7)


def image_of(data: Data, row: int) -> Any:
    """The photograph of a training row, as a picture of Pillow."""
    assert data.train.photographs is not None
    return Image.fromarray(data.train.photographs.pixels(row))


def test_scale_crop_scales_the_shorter_side_of_the_photograph_and_cuts_the_window(settings: Settings) -> None:
    _, data = prepared(settings)
    assert data.train.photographs is not None
    rows = torch.arange(len(data.train.inputs)).repeat(3)
    found = scale_photographs(rows, generator(), photographs=data.train.photographs, low=LOW, high=HIGH, side=SIDE)
    draws = generator()
    lengths = torch.randint(LOW, HIGH + 1, (len(rows),), generator=draws)
    shares = torch.rand(len(rows), 2, generator=draws)
    assert set(lengths.tolist()) == {*range(LOW, HIGH + 1)}
    for window, row, length, (down, right) in zip(found, rows.tolist(), lengths.tolist(), shares.tolist(), strict=True):
        scaled = photographs.shorter_side(image_of(data, row), length)
        assert min(scaled.size) == length
        left, top = int(right * (scaled.width - SIDE + 1)), int(down * (scaled.height - SIDE + 1))
        assert np.array_equal(window, photographs.cut(scaled, left, top, SIDE))


def test_a_script_reads_the_window_that_is_evaluated(settings: Settings) -> None:
    _, data = prepared(settings)
    windows = [
        each.numpy().tobytes() for each in torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    ]
    for path in photographs.paths(settings):
        assert read_picture(path, (3, SIDE, SIDE), LOW).tobytes() in windows


def test_the_estimate_counts_what_the_photographs_need(settings: Settings) -> None:
    plan, _ = prepared(settings)
    fixed, _ = prepared(settings, dataset={"id": photographs.NAME, "size": SIDE, "max_unreadable": 1}, augmentation=[])
    # The longest side is 90, and one picture is 90 / 17 times as long as wide.
    pixels = 90 * 90 + round(90 / 17 * HIGH**2)
    assert plan.estimate.memory_bytes - fixed.estimate.memory_bytes == 32 * 24 + 2 * 3 * pixels


def test_random_resized_crop_cuts_its_box_out_of_the_photograph(settings: Settings) -> None:
    _, data = prepared(settings)
    assert data.train.photographs is not None
    rows = torch.arange(len(data.train.inputs))
    whole = crop_photographs(
        rows, generator(), photographs=data.train.photographs, area=(1.0, 1.0), aspect=(1.0, 1.0), side=SIDE
    )
    for window, row in zip(whole, rows.tolist(), strict=True):
        image = image_of(data, row)
        if image.width == image.height:
            wanted = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            assert np.array_equal(window, photographs.first_channel(wanted))
    small = crop_photographs(
        rows, generator(), photographs=data.train.photographs, area=(0.1, 0.3), aspect=(0.8, 1.2), side=SIDE
    )
    assert small.shape == (len(rows), 3, SIDE, SIDE)
    assert not torch.equal(small, whole)


def test_batches_are_windows_of_the_photographs_in_the_order_of_the_epoch(settings: Settings) -> None:
    plan, data = prepared(settings, augmentation=[{"type": "scale_crop", "size": SIDE, "low": LOW, "high": HIGH}])
    batches = Batches(plan, data, nn.Identity(), torch.channels_last, AllRows(plan.sizes.train).subset)
    order = batches.order(0)
    for step, (inputs, targets) in enumerate(islice(batches.from_step(1), 2), start=1):
        rows = order[4 * step : 4 * step + 4]
        draws = torch.Generator().manual_seed(batches.augmentation_seeds.at(step) if batches.augmentation_seeds else 0)
        assert data.train.photographs is not None
        wanted = scale_photographs(rows, draws, photographs=data.train.photographs, low=LOW, high=HIGH, side=SIDE)
        assert torch.equal(inputs, wanted)
        assert torch.equal(targets, data.train.targets[rows])


@pytest.mark.parametrize("flips", [False, True])
def test_the_crops_of_several_scales_are_those_of_the_photographs(settings: Settings, *, flips: bool) -> None:
    scales = [SIDE, 21, 34]
    plan, data = prepared(settings, evaluation={"crops": {"scales": scales, "flips": flips}})
    spec = plan.recipe.evaluation.crops
    assert spec is not None
    assert data.test.photographs is not None
    weights = torch.linspace(-1, 1, 3 * SIDE * SIDE * 2).view(2, -1)

    def model(images: torch.Tensor) -> torch.Tensor:
        return functional.linear(images.flatten(1).double() / 255, weights.double())

    class Linear(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return model(images)

    averages = Averages(plan.targets)
    assert len(list(over_crops(plan, spec, Linear(), data.test, averages))) == len(scales) * 5 * (1 + flips)
    [outputs] = averages.outputs
    for row, output in enumerate(outputs):
        image = Image.fromarray(data.test.photographs.pixels(row))
        probabilities = []
        for scale in scales:
            scaled = photographs.shorter_side(image, scale)
            down, right = scaled.height - SIDE, scaled.width - SIDE
            for top, left in [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]:
                window = photographs.cut(scaled, left, top, SIDE)
                mirrors = [window, window[:, :, ::-1]] if flips else [window]
                probabilities += [model(torch.from_numpy(each.copy())[None])[0].softmax(0) for each in mirrors]
        # Each scale has the same weight: five crops, and as many mirrored.
        wanted = torch.stack(probabilities).mean(0)
        torch.testing.assert_close(output.double().softmax(0), wanted)


def test_a_batch_of_crops_has_few_photographs_if_one_is_large(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, data = prepared(settings, evaluation={"crops": [SIDE]})
    assert plan.recipe.evaluation.crops is not None
    # The most elongated picture, 17 x 90, becomes 16 x 84.
    monkeypatch.setattr("worker.evaluation.crops.RESIZED_BYTES", 2 * 3 * 16 * 84)
    batches = batches_of_crops(plan, plan.recipe.evaluation.crops, data.test)
    assert [len(next(iter(batch()))[0]) for batch in batches] in ([2, 2, 1], [2, 2])


def test_a_training_on_photographs_resumes_with_the_same_bits(settings: Settings) -> None:
    plan, data = prepared(settings, epochs=2)

    def make() -> Training:
        return Training(plan, data, torch.device("cpu"), {})

    whole = run_to_end(make())
    units = len(list(make().run()))
    for unit in range(1, units):
        stopped = make()
        logged = tuple(item for item in islice(stopped.run(), unit) if item is not None)
        logged += tuple(stopped.read())
        resumed = make()
        restore(resumed, to_files(snapshot(stopped, {})))
        assert run_to_end(resumed, logged) == whole


def test_a_recipe_trains_on_photographs_to_its_end(settings: Settings, tmp_path: Path) -> None:
    document = {
        "architecture": {"type": "cnn", "channels": [4], "hidden": []},
        "norm": "batch_norm",
        "augmentation": [{"type": "random_resized_crop", "size": SIDE}, "horizontal_flip", "mixup"],
        "evaluation": {"crops": [SIDE, 20], "statistics": "population"},
    }
    plan, data = prepared(settings, **document)
    assert b"PNG" in draw_preview(plan, data, {})
    metrics = run_to_end(Training(plan, data, torch.device("cpu"), {})).logged[-1]["metrics"]
    assert {"test_loss", "test_crops_loss"} <= set(metrics)
