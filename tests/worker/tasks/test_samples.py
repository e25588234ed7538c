"""Samples are rows of the data set as its files have them."""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.errors import DatasetChanged
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.settings import Settings
from bakehouse.tasks.sample_choices import Split
from bakehouse.tasks.samples import DatasetSamples, SamplesRequest
from tests.data.profile.packed import pack_csv, pack_npz
from worker.tasks.samples import draw_rows, read_samples, samples


def read(folder: Path, *, split: Split = "train", limit: int = 16, seed: int = 0) -> DatasetSamples:
    card = read_card(folder)
    request = SamplesRequest(dataset=card.id, fingerprint=card.fingerprint, split=split, limit=limit, seed=seed)
    return read_samples(folder, card, request)


def test_cells_of_a_table_are_the_users_numbers_texts_and_dates(tmp_path: Path) -> None:
    sizes = [n / 4 for n in range(20)]
    colors = [None if n == 3 else ("red", "blue")[n % 2] for n in range(20)]
    days = [f"2024-01-{n + 1:02}" for n in range(20)]
    pack_csv(tmp_path, size=sizes, color=colors, day=days)
    found = read(tmp_path / "packed", limit=20)
    assert found.columns == ("size", "color", "day")
    assert sorted(found.rows) == list(range(20))
    assert found.values == tuple((sizes[row], colors[row], days[row]) for row in found.rows)


def test_rows_of_a_table_without_names_have_their_labels() -> None:
    found = read(BUILTIN / "iris", limit=5)
    x, y = (np.load(BUILTIN / "iris" / f"{name}.npy") for name in "xy")
    assert found.values == tuple(tuple(x[row].tolist()) for row in found.rows)
    assert found.labels == tuple(("setosa", "versicolor", "virginica")[y[row]] for row in found.rows)


def test_sequences_are_steps_of_numbers() -> None:
    found = read(BUILTIN / "digits_sequence", limit=2)
    x = np.load(BUILTIN / "digits_sequence" / "x.npy")
    assert found.values is not None
    assert np.array_equal(np.array(found.values), x[list(found.rows)])


def test_images_are_one_picture_with_labels() -> None:
    found = read(BUILTIN / "digits", limit=5)
    assert found.values is None
    assert found.png is not None
    picture = Image.open(BytesIO(base64.b64decode(found.png)))
    # Five images in two rows of three: each of 96 pixels, with gaps of 4.
    assert picture.size == (found.width, found.height) == (3 * 100 + 4, 2 * 100 + 4)
    assert found.labels is not None
    assert found.text.endswith(f"Labels: {', '.join(label or '' for label in found.labels)}.")


def test_a_picture_shows_the_images_in_the_order_of_the_rows() -> None:
    found = read(BUILTIN / "digits", limit=4)
    x = np.load(BUILTIN / "digits" / "x.npy")
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(str(found.png)))))
    first = picture[4 + 6 : 100 : 12, 104 + 6 : 200 : 12, 0]
    assert np.array_equal(first, np.round(x[found.rows[1], 0] * (255 / 16)).astype(np.uint8))


def test_labels_of_numbers_are_numbers() -> None:
    found = read(BUILTIN / "diabetes", limit=3)
    y = np.load(BUILTIN / "diabetes" / "y.npy")
    assert found.labels == tuple(f"{y[row]:g}" for row in found.rows)


def test_rows_of_another_split_are_those_of_its_arrays(tmp_path: Path) -> None:
    x = np.arange(60.0).reshape(30, 2)
    pack_npz(tmp_path, x=x, y=np.arange(30) % 2, x_test=x[:10] + 0.5, y_test=np.arange(10) % 2)
    found = read(tmp_path / "packed", split="test", limit=10)
    assert found.values == tuple(tuple((x[row] + 0.5).tolist()) for row in found.rows)


def test_of_large_rows_fewer_are_shown(tmp_path: Path) -> None:
    pack_npz(tmp_path, x=np.random.default_rng(0).normal(size=(20, 30_000)), y=np.arange(20) % 2)
    assert len(read(tmp_path / "packed").rows) == 3


def test_rows_differ_and_fewer_are_the_first_of_more() -> None:
    rows = draw_rows(20, 20, seed=3)
    assert sorted(rows) == list(range(20))
    assert draw_rows(20, 7, seed=3) == rows[:7]
    assert draw_rows(20, 20, seed=4) != rows


def test_a_changed_data_set_is_noticed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, data=None)
    document = {"dataset": "iris", "fingerprint": "sha256:0", "split": "train", "limit": 1, "seed": 0}
    with pytest.raises(DatasetChanged):
        samples(settings, document)
    fingerprint = read_card(BUILTIN / "iris").fingerprint
    assert json.loads(samples(settings, {**document, "fingerprint": fingerprint}))["dataset"] == "iris"
