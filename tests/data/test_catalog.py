"""The catalog: the data sets that it lists, when it packs them, and the names that it refuses."""

import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound, DatasetNotReady
from bakehouse.data.known_datasets import KNOWN
from bakehouse.data.packed_folders import hold_lock
from bakehouse.data.sources import Files
from bakehouse.settings import Settings
from tests.packed_arrays import load_arrays


@pytest.fixture(autouse=True)
def no_system_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the system's data packages."""
    monkeypatch.setitem(KNOWN, "fashion_mnist", KNOWN["mnist"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty home and an empty data folder."""
    (tmp_path / "data").mkdir()
    return Settings(home=tmp_path / "home", data=tmp_path / "data")


def write_set(path: Path, *, scale: float = 1.0) -> None:
    """Writes a data set of twelve rows."""
    np.savez(path, x=np.arange(48.0).reshape(12, 4) * scale, y=np.arange(12) % 2)


def packed_names(settings: Settings) -> list[str]:
    """The names in the folder of packed data sets, without its locks."""
    return [path.name for path in settings.datasets.iterdir() if path.suffix != ".lock"]


def test_a_set_is_listed_as_packing_and_then_ready(tmp_path: Path, settings: Settings) -> None:
    write_set(tmp_path / "data" / "mine.npz")
    catalog = Catalog(settings)
    with hold_lock(settings.datasets, "mine"):
        assert {listing.id: listing.status for listing in catalog.listings()}["mine"] == "packing"
        with pytest.raises(DatasetNotReady) as caught:
            catalog.card("mine")
        assert caught.value.retry_after > 0
    card = catalog.card("mine", wait_seconds=60)
    listing = {listing.id: listing for listing in catalog.listings()}["mine"]
    assert (listing.status, listing.card) == ("ready", card)
    assert load_arrays(catalog.folder("mine")).x.shape == (12, 4)


def test_several_catalogs_and_threads_pack_a_set_once(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data" / "mine.npz")
    started: list[str] = []
    pack = Catalog._pack_in_child

    def count_and_pack(catalog: Catalog, files: Files, folder: Path, lock: int) -> None:
        started.append(files.id)
        pack(catalog, files, folder, lock)

    monkeypatch.setattr(Catalog, "_pack_in_child", count_and_pack)
    catalogs = [Catalog(settings), Catalog(settings)]
    cards: list[str] = []
    requests = [lambda c=c: cards.append(c.card("mine", wait_seconds=60).fingerprint) for c in catalogs * 3]
    threads = [threading.Thread(target=request) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(cards), len(set(cards)), len(started)) == (6, 1, 1)


def test_a_changed_file_is_packed_again_and_its_older_version_is_removed(tmp_path: Path, settings: Settings) -> None:
    catalog = Catalog(settings)
    write_set(tmp_path / "data" / "mine.npz")
    write_set(tmp_path / "data" / "mine-2.npz")
    first = catalog.card("mine", wait_seconds=60)
    catalog.card("mine-2", wait_seconds=60)
    arrays = load_arrays(catalog.folder("mine"))
    write_set(tmp_path / "data" / "mine.npz", scale=2)
    second = catalog.card("mine", wait_seconds=60)
    assert (first.maximum, second.maximum, arrays.x.max()) == (47, 94, 47)
    assert sorted(name.rpartition("-")[0] for name in packed_names(settings)) == ["mine", "mine-2"]


def test_a_broken_file_is_explained_and_not_tried_again(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "mine.csv").write_text("a,b\n1\n")
    with pytest.raises(DatasetBroken, match="line 2 has 1 cells"):
        Catalog(settings).card("mine", wait_seconds=60)
    monkeypatch.delattr(Catalog, "_pack_in_child")
    with pytest.raises(DatasetBroken) as caught:
        Catalog(settings).card("mine", wait_seconds=60)
    assert caught.value.problem == "line 2 has 1 cells, but the header has 2"
    listing = {listing.id: listing for listing in Catalog(settings).listings()}["mine"]
    assert (listing.status, listing.problem) == ("broken", caught.value.problem)


def test_a_crash_is_reported_and_packing_is_tried_again_later(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data" / "mine.npz")
    catalog = Catalog(settings)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", shutil.which("false"))
        with pytest.raises(DatasetBroken, match="packing it failed with exit code 1"):
            catalog.card("mine", wait_seconds=60)
    with pytest.raises(DatasetBroken):
        catalog.card("mine", wait_seconds=60)
    assert Catalog(settings).card("mine", wait_seconds=60).features == 4


def test_the_card_of_a_known_data_set_has_its_title(
    tmp_path: Path, settings: Settings, save_idx: Callable[[Path], None]
) -> None:
    save_idx(tmp_path / "data" / "mnist")
    card = Catalog(settings).card("mnist", wait_seconds=60)
    assert (card.title, card.mirror_safe, card.counts.test) == (KNOWN["mnist"].title, False, 10)


def test_errors_say_what_can_be_done(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "data" / "Wine.csv").write_text("")
    catalog = Catalog(settings)
    with pytest.raises(DatasetNotFound, match="did you mean digits") as missing:
        catalog.card("digts")
    assert missing.value.nearest[0] == "digits"
    with pytest.raises(DatasetAbsent, match="into BAKEHOUSE_DATA/mnist"):
        catalog.card("mnist")
    with pytest.raises(DatasetBroken, match="the name of a built-in data set"):
        catalog.card("Wine.csv")
    assert catalog.card("wine").features == 13


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "", "a/b", "\0", "x" * 100_000])
def test_odd_names_are_not_found(settings: Settings, name: str) -> None:
    with pytest.raises(DatasetNotFound):
        Catalog(settings).card(name)
