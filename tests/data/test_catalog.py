"""The catalog: the data sets that it lists, when it packs them, and the names that it refuses."""

import errno
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from bakehouse.data import child_process, packing
from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound, DatasetNotReady
from bakehouse.data.known_datasets import KNOWN
from bakehouse.data.packed_folders import hold_lock
from bakehouse.data.packing import describe
from bakehouse.data.packing_process import SourceChanged, pack_in_child
from bakehouse.data.sources import DATA_FOLDER, Files, find_sources
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

    def count_and_pack(files: Files, folder: Path, lock: int) -> None:
        started.append(files.id)
        pack_in_child(files, folder, lock)

    monkeypatch.setattr("bakehouse.data.catalog.pack_in_child", count_and_pack)
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
    with pytest.raises(DatasetBroken, match="line 2 has 1 cell"):
        Catalog(settings).card("mine", wait_seconds=60)
    monkeypatch.delattr("bakehouse.data.catalog.pack_in_child")
    with pytest.raises(DatasetBroken) as caught:
        Catalog(settings).card("mine", wait_seconds=60)
    assert caught.value.problem == "line 2 has 1 cell, but the header has 2"
    listing = {listing.id: listing for listing in Catalog(settings).listings()}["mine"]
    assert (listing.status, listing.problem) == ("broken", caught.value.problem)


def test_a_crash_is_reported_and_packing_is_tried_again_later(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data" / "mine.npz")
    catalog = Catalog(settings)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", shutil.which("false"))
        with pytest.raises(DatasetBroken, match="reading it failed with exit code 1"):
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


@pytest.mark.parametrize("name", ["data/houses.csv", "houses.csv", "/home/ada/houses.npz", "data/houses"])
def test_a_file_named_by_its_path_is_told_its_name(name: str) -> None:
    message = DatasetNotFound(name, nearest=(), allowed=()).message
    assert f"there is no data set {name}. A recipe names a file without its folder and ending: houses. " in message
    assert "as houses.csv, houses.npz, or a folder houses" in message


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


@contextmanager
def keep_changing(change: Callable[[int], None]) -> Iterator[None]:
    """Calls `change` with 0, 1, 2, ... in a thread during the block."""
    is_over = threading.Event()

    def run() -> None:
        for number in itertools.count():
            if is_over.is_set():
                return
            change(number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_files_that_come_and_go_disturb_no_other_set(tmp_path: Path, settings: Settings) -> None:
    data = tmp_path / "data"
    write_set(data / "own.npz")
    catalog = Catalog(settings)
    own = catalog.card("own", wait_seconds=60)
    digits = catalog.card("digits")

    def change(number: int) -> None:
        (data / f"{number % 7}.csv").write_text("a,b")
        (data / f"{number % 7}.csv").rename(data / f"{number % 5}.csv")
        (data / f"folder{number % 3}" / "cat").mkdir(parents=True)
        (data / f"{number % 5}.csv").unlink()
        shutil.rmtree(data / f"folder{number % 3}")

    with keep_changing(change):
        for _ in range(300):
            assert catalog.card("digits") == digits
            assert catalog.card("own") == own
        # A listing would pack each of the many sets that it meets.
        assert {"digits", "own"} <= {source.id for source in find_sources(data)}


def test_a_set_that_changes_all_the_time_is_ready_busy_or_not_there(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    catalog = Catalog(settings)
    for name in ("small", "large"):
        write_set(tmp_path / f"{name}.npz", scale=len(name))
    write_set(data / "own.npz")
    monkeypatch.setattr("bakehouse.data.catalog.pack_in_child", pack_in_this_process)

    def change(number: int) -> None:
        shutil.copy(tmp_path / ("small.npz", "large.npz")[number % 2], tmp_path / "own.npz")
        (tmp_path / "own.npz").rename(data / "own.npz")
        if number % 3 == 0:
            (data / "own.npz").unlink()

    answers: list[float | str] = []
    with keep_changing(change):
        for _ in range(200):
            try:
                answers.append(catalog.card("own", wait_seconds=0.01).maximum)
            except (DatasetNotReady, DatasetNotFound) as error:
                answers.append(type(error).__name__)
    assert {"DatasetNotReady", "DatasetNotFound"} & set(answers)
    write_set(data / "own.npz", scale=3)
    assert catalog.card("own", wait_seconds=60).maximum == 47 * 3


def pack_in_this_process(files: Files, folder: Path, _lock: int) -> None:
    """Packs without a child, which would take most of the time of a test."""
    try:
        description = describe(files.id, files.path)
        contents = packing.read_unchanged(files.path, description, folder.name[-16:])
    except packing.SourceChanged:
        raise SourceChanged from None
    packing.write_packed(contents, description, folder)


def test_a_file_that_is_gone_once_it_was_found_is_not_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [[Files("own", settings.home / "gone.npz")], []]
    monkeypatch.setattr("bakehouse.data.catalog.find_sources", lambda _: gone[0] if len(gone) == 1 else gone.pop(0))
    catalog = Catalog(settings)
    with pytest.raises(DatasetNotFound):
        catalog.card("own", wait_seconds=60)
    gone[:] = [[Files("own", settings.home / "gone.npz")]]
    assert catalog.listings() == []


@pytest.mark.parametrize("state", ["removed", "a file", "stale"])
def test_without_its_folder_built_in_sets_are_there_and_others_say_why(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    (tmp_path / "data").rmdir()
    if state == "a file":
        (tmp_path / "data").write_text("")
    if state == "stale":
        monkeypatch.setattr(os, "scandir", lambda _: fail_as(errno.ESTALE))
    catalog = Catalog(settings)
    assert catalog.card("digits").id == "digits"
    with pytest.raises(
        DatasetBroken, match="own cannot be used: it is not built in, and of BAKEHOUSE_DATA, the folder"
    ):
        catalog.card("own")
    listings = {listing.id: listing for listing in catalog.listings()}
    assert listings[DATA_FOLDER].status == "broken"
    assert listings["digits"].status == "ready"


def fail_as(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


def test_a_set_that_cannot_be_looked_at_is_broken_for_itself(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data" / "own.npz")
    catalog = Catalog(settings)
    monkeypatch.setattr("bakehouse.data.signatures.compute_signature", lambda _: fail_as(errno.EIO))
    with pytest.raises(DatasetBroken, match="own cannot be used: it cannot be read: Input/output error"):
        catalog.card("own")
    assert {listing.id: listing.status for listing in catalog.listings()}["own"] == "broken"


def test_sets_that_hang_hold_up_no_other(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["hang1", "hang2", "hang3", "sound"]
    for name in names:
        write_set(tmp_path / "data" / f"{name}.npz")
    is_over = threading.Event()

    def hang(files: Files, folder: Path, lock: int) -> None:
        if files.id.startswith("hang"):
            is_over.wait()
        else:
            pack_in_this_process(files, folder, lock)

    monkeypatch.setattr("bakehouse.data.catalog.pack_in_child", hang)
    monkeypatch.setattr("bakehouse.data.catalog.MAX_WAIT_FOR_OTHERS_SECONDS", 0.05)
    catalog = Catalog(settings)
    try:
        for name in names[:3]:
            assert catalog.listing(name).status == "packing"
        assert catalog.card("sound", wait_seconds=60).features == 4
        assert [catalog.listing(name).status for name in names] == ["packing", "packing", "packing", "ready"]
        assert catalog.card("digits").id == "digits"
    finally:
        is_over.set()


def test_a_child_that_waits_is_killed_and_the_set_is_broken_for_a_while(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data" / "own.npz")
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(child_process, "MAX_STALL_SECONDS", 0.2)
    with pytest.raises(DatasetBroken, match="its files could not be read for"):
        Catalog(settings).card("own", wait_seconds=60)


def test_pipes_and_devices_are_refused_and_others_are_packed(tmp_path: Path, settings: Settings) -> None:
    data = tmp_path / "data"
    write_set(data / "good.npz")
    os.mkfifo(data / "a.npz")
    if os.geteuid() == 0:
        os.mknod(data / "zero.csv", 0o20644, os.makedev(1, 5))
    catalog = Catalog(settings)
    assert catalog.card("good", wait_seconds=60).features == 4
    with pytest.raises(DatasetBroken, match="it is a named pipe"):
        catalog.card("a.npz")
