"""Packing the pictures of a set again at the size that a recipe asks for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetBroken, DatasetChanged, UnusableSource
from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.photographs import open_photographs, write_photographs
from bakehouse.data.resizing import Budget
from bakehouse.plan.pictures import PictureSize, picture_size
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from tests import photographs


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with the folder, which is packed once for the tests that do not change it."""
    return photographs.write(tmp_path_factory.mktemp("photographs"))


def plan_of(catalog: Catalog, size: object, **document: object) -> Plan:
    dataset = {"id": photographs.NAME, "size": size, "max_unreadable": photographs.SHARE}
    recipe = read_recipe({"dataset": dataset, "architecture": "linear", **document})
    return make_plan(recipe, catalog.card("pets", wait_seconds=60))


def test_pictures_are_packed_again_at_the_size_of_the_recipe(settings: Settings) -> None:
    catalog = Catalog(settings)
    plan = plan_of(catalog, 40)
    assert plan.card.shape == plan.data.shape == (3, 40, 40)
    # The plan needs no data: nothing but the default is packed yet.
    assert [path.name for path in settings.datasets.glob("*@*")] == []
    folder = catalog.sized_folder("pets", plan.picture_size)
    default = catalog.folder("pets")
    assert read_card(folder).model_copy(update={"shape": (3, 16, 16)}) == read_card(default)
    arrays = load(folder, plan.data)
    images = photographs.images(settings)
    squares = [ImageOps.fit(image, (40, 40), Image.Resampling.BILINEAR) for image in images]
    wanted = np.stack([photographs.first_channel(square) for square in squares])
    assert np.array_equal(arrays.x.whole(), wanted)
    assert np.array_equal(arrays.y, load(default, plan_of(catalog, None).data).y)
    assert [path.name for path in settings.datasets.glob("*@*") if path.is_dir()] == [f"{default.name}@40"]


def test_photographs_keep_their_own_sizes_beside_a_window_of_each(
    settings: Settings,
) -> None:
    catalog = Catalog(settings)
    plan = plan_of(catalog, "off", augmentation={"type": "scale_crop", "size": 16, "low": 19, "high": 30})
    assert plan.data.shape == (3, 16, 16)
    folder = catalog.sized_folder("pets", plan.picture_size)
    arrays = load(folder, plan.data)
    images = photographs.images(settings)
    for row, image in enumerate(images):
        assert np.array_equal(arrays.photographs[""].pixels(row), np.asarray(image))
        scaled = photographs.shorter_side(image, 19)
        left, top = (scaled.width - 16) // 2, (scaled.height - 16) // 2
        assert np.array_equal(arrays.x.whole()[row], photographs.cut(scaled, left, top, 16))
    assert len(arrays.photographs[""]) == len(images)
    assert np.array_equal(arrays.photographs[""].index[:, 2:], [(image.height, image.width) for image in images])


def test_photographs_are_written_into_files_of_a_limited_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.data.photographs.SHARD_BYTES", 40)
    pictures = [np.full((1 + row, 3, 3), row, np.uint8) for row in range(8)]
    with write_photographs(tmp_path, "_test") as writer:
        for each in pictures:
            writer.add(each)
    opened = open_photographs(tmp_path, "_test", 3)
    assert opened is not None
    assert opened.index[:, :2].tolist() == [[0, 0], [0, 9], [0, 27], [1, 0], [1, 36], [2, 0], [3, 0], [4, 0]]
    chosen = opened.take(np.array([7, 2, 2]))
    assert [np.array_equal(chosen.pixels(row), pictures[number]) for row, number in enumerate([7, 2, 2])] == [True] * 3
    assert open_photographs(tmp_path, "", 3) is None


def test_pictures_that_would_fill_the_disk_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.data.resizing.MIN_PIXEL_BYTES", 1000)
    budget = Budget()
    budget.spend(10, 2000)
    with pytest.raises(UnusableSource, match="more than 100 times as many bytes"):
        budget.spend(10, 1001)


def test_the_size_at_which_a_set_is_packed_needs_no_other_pack(settings: Settings) -> None:
    catalog = Catalog(settings)
    assert plan_of(catalog, 16).picture_size is None
    assert catalog.sized_folder("pets", None) == catalog.folder("pets")


def test_packs_of_old_sizes_are_deleted_and_pictures_that_cannot_be_read_again_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = photographs.write(tmp_path)
    catalog = Catalog(settings)
    packed = catalog.folder("pets", wait_seconds=60)
    monkeypatch.setattr("bakehouse.data.packed_folders.MAX_SIZES", 1)
    for side in (8, 9):
        newest = catalog.sized_folder("pets", PictureSize(side))
        assert [path for path in settings.datasets.glob("*@*") if path.is_dir()] == [newest]
    path = tmp_path / "data" / "pets" / "dog" / "03.png"
    path.write_bytes(path.read_bytes()[:60])
    # As if the files had changed only after the catalog has looked.
    monkeypatch.setattr(catalog, "folder", lambda name, wait_seconds: packed)
    with pytest.raises(DatasetChanged):
        catalog.sized_folder("pets", PictureSize(40))
    monkeypatch.setattr("bakehouse.data.catalog.is_upload", lambda packed, datasets: True)
    for _ in range(2):
        with pytest.raises(DatasetBroken, match=r"dog/03\.png cannot be read"):
            catalog.sized_folder("pets", PictureSize(40))
    Catalog(settings).card("pets", wait_seconds=60)
    assert [path for path in settings.datasets.glob("*@*") if path.is_dir()] == []


def test_the_size_of_other_data_is_none(settings: Settings) -> None:
    card = Catalog(settings).card("digits")
    assert picture_size(read_recipe({"dataset": {"id": "digits", "size": 16}, "architecture": "linear"}), card) is None
