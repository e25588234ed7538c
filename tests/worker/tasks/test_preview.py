"""The preview shows what training does to its inputs."""

import json
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bakehouse.data.errors import DatasetChanged
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from bakehouse.tasks.preview import unpack
from tests.small_trainings import IRIS, Document
from worker.data.dataset import Data, load_data
from worker.model.initialize import normalization_layer
from worker.tasks import preview as module
from worker.tasks.cells import in_stored_units, resize
from worker.tasks.preview import draw_preview, draw_samples, preview
from worker.training.training import Training

CPU = torch.device("cpu")
DIGITS: Document = {"dataset": "digits", "architecture": {"type": "cnn", "channels": [4], "hidden": []}}
NOISE = {"type": "input_noise", "std": 0.3}
RECIPES: dict[str, Document] = {
    "all phases": {**DIGITS, "augmentation": ["random_crop", {"type": "affine", "degrees": 20}, NOISE, "mixup"]},
    "after normalization": {**DIGITS, "augmentation": ["cutout"], "seed": 7},
    "pasted boxes": {**DIGITS, "augmentation": ["color_jitter", "cutmix"]},
    "whitened": {**DIGITS, "dataset": {"id": "digits", "normalization": "whiten"}, "augmentation": [NOISE]},
    "a table": {**IRIS, "augmentation": [NOISE, "mixup"]},
    "sequences": {"dataset": "digits_sequence", "architecture": "rnn", "augmentation": [NOISE]},
}


def plan_and_data(document: Document) -> tuple[Plan, Data]:
    recipe = read_recipe(document)
    folder = BUILTIN / recipe.dataset.id
    plan = make_plan(recipe, read_card(folder))
    return plan, load_data(plan, folder, CPU)


@pytest.mark.parametrize("name", RECIPES)
def test_the_first_draw_is_the_batch_of_the_first_step(name: str) -> None:
    plan, data = plan_and_data(RECIPES[name])
    samples = draw_samples(plan, data, normalization_layer(plan, data, {}))
    training = Training(plan, data, CPU)
    [(inputs, _)] = islice(training.batches.from_step(0), 1)
    assert torch.equal(samples.draws[0], inputs[:4])
    assert not torch.equal(samples.draws[0], samples.originals)


@pytest.mark.parametrize("name", RECIPES)
def test_draw_n_is_what_step_n_makes_of_the_first_batch(name: str) -> None:
    plan, data = plan_and_data(RECIPES[name])
    samples = draw_samples(plan, data, normalization_layer(plan, data, {}))
    batches = Training(plan, data, CPU).batches
    [(inputs, targets), *_] = batches.gather(batches.order(0))
    drawn = [batches.transform(inputs, targets, step)[0][:4] for step in range(8)]
    assert all(torch.equal(*pair) for pair in zip(samples.draws, drawn, strict=True))


@pytest.mark.parametrize("normalization", ["none", "standardize", "min_max", "whiten"])
def test_images_get_their_own_units_back(normalization: str) -> None:
    plan, data = plan_and_data({**DIGITS, "dataset": {"id": "digits", "normalization": normalization}})
    normalize = normalization_layer(plan, data, {})
    images = data.train.inputs[:50]
    assert torch.allclose(in_stored_units(normalize(images), normalize), images.double(), atol=1e-2)


def test_a_constant_channel_gets_its_value_back() -> None:
    plan, data = plan_and_data(DIGITS)
    normalize = normalization_layer(plan, data, {})
    normalize.shift.fill_(5)
    normalize.scale.fill_(0)
    assert (in_stored_units(normalize(data.train.inputs[:2]), normalize) == 5).all()


def show(document: Document) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """The description and the pixels of a preview."""
    description, png = unpack(draw_preview(*plan_and_data(document), {}))
    return json.loads(description), np.asarray(Image.open(BytesIO(png)))


def test_the_originals_are_enlarged_without_a_change() -> None:
    shown, pixels = show(RECIPES["all phases"])
    plan, data = plan_and_data(RECIPES["all phases"])
    batches = Training(plan, data, CPU).batches
    rows = batches.order(0)[:4]
    assert (shown["width"], shown["height"]) == (pixels.shape[1], pixels.shape[0])
    assert (len(shown["lefts"]), len(shown["tops"]), shown["draws"]) == (9, 4, 8)
    for top, row in zip(shown["tops"], rows, strict=True):
        left = shown["lefts"][0]
        cell = pixels[top : top + shown["cell_height"], left : left + shown["cell_width"], 0]
        levels = (data.train.inputs[row, 0] / 16 * 255).round().byte().numpy()
        assert (cell == levels.repeat(12, axis=0).repeat(12, axis=1)).all()
    assert shown["labels"] == [str(int(label)) for label in data.train.targets[rows]]
    # The gaps are neither black nor white.
    assert (pixels[:, : shown["lefts"][0]] == 128).all()


def test_transforms_are_listed_in_the_order_of_training() -> None:
    shown, _ = show({**DIGITS, "augmentation": ["mixup", NOISE, "random_crop"]})
    assert shown["transforms"] == ["random_crop", "input_noise", "mixup"]
    assert shown["text"].endswith("8 draws of random_crop, input_noise, mixup.")


def test_without_augmentation_there_are_only_the_originals() -> None:
    shown, pixels = show(DIGITS)
    assert (shown["draws"], shown["transforms"], len(shown["lefts"])) == (0, [], 1)
    assert pixels.shape[1] == shown["cell_width"] + 2 * shown["lefts"][0]
    assert shown["text"].endswith("The recipe has no augmentation.")


@pytest.mark.parametrize(
    ("document", "shows"),
    [
        (RECIPES["a table"], "bars"),
        (RECIPES["sequences"], "heat_map"),
        ({"dataset": "diabetes", "architecture": "mlp", "augmentation": [NOISE]}, "bars"),
        ({"dataset": "digits", "architecture": "mlp", "augmentation": [NOISE]}, "pixels"),
    ],
)
def test_every_kind_of_data_is_drawn(document: Document, shows: str) -> None:
    shown, pixels = show(document)
    assert shown["shows"] == shows
    tops, lefts = shown["tops"], shown["lefts"]
    cells = [
        pixels[top : top + shown["cell_height"], left : left + shown["cell_width"]].tobytes()
        for top in tops
        for left in lefts
    ]
    # No two draws are the same.
    assert len(set(cells)) == len(cells)


def test_an_equal_recipe_gives_an_equal_picture_and_another_seed_another_one() -> None:
    document = RECIPES["all phases"]
    first, again, other = (
        draw_preview(*plan_and_data(each), {}) for each in (document, document, {**document, "seed": 1})
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(("sides", "shown"), [((8, 8), (96, 96)), ((28, 20), (84, 60)), ((96, 96), (96, 96)),
                                              ((224, 112), (96, 48)), ((1, 500), (1, 96))])  # fmt: skip
def test_large_images_are_reduced_and_small_ones_enlarged(sides: tuple[int, int], shown: tuple[int, int]) -> None:
    assert resize(np.zeros((*sides, 3), np.uint8)).shape == (*shown, 3)


def test_a_batch_with_too_many_numbers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NUMBERS", 64 * 10)
    plan, data = plan_and_data(RECIPES["all phases"])
    normalize = normalization_layer(plan, data, {})
    samples = draw_samples(plan, data, normalize)
    batches = Training(plan, data, CPU).batches
    [(inputs, targets)] = batches.gather(batches.order(0)[:10])
    assert torch.equal(samples.draws[0], batches.transform(inputs, targets, 0)[0][:4])


def test_data_that_have_changed_since_the_request_are_not_shown() -> None:
    with pytest.raises(DatasetChanged):
        preview(Settings(), {"recipe": DIGITS, "fingerprint": "sha256:other"})
