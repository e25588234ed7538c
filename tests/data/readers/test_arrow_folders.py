"""Folders that Hugging Face's library `datasets` saves: pictures and tables in Arrow files."""

import datetime as dt
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import describe, pack, read_source
from bakehouse.data.parsed import Contents, Samples, Table
from bakehouse.data.resizing import resize
from bakehouse.plan.card import SplitCounts
from bakehouse.plan.pictures import PictureSize, with_size
from tests.arrow_folder import class_label, pictures, save_splits, save_to_disk, value

PETS = {"image": {"_type": "Image"}, "label": class_label("dog", "cat")}
HOUSES = {"area": value("int64"), "kind": class_label("flat", "house"), "sold": value("date32")}


def read(folder: Path) -> Contents:
    return read_source(folder, describe(folder.name, folder))


def refusal(folder: Path) -> str:
    with pytest.raises(UnusableSource) as refused:
        read(folder)
    return str(refused.value)


def labelled(count: int) -> dict[str, object]:
    return {"image": pictures(count), "label": pa.array([n % 2 for n in range(count)])}


def houses(count: int) -> dict[str, object]:
    return {
        "area": pa.array([None, *range(1, count)]),
        "kind": pa.array([-1, *(n % 2 for n in range(1, count))]),
        "sold": pa.array([dt.date(2020, 1, 1 + n) for n in range(count)]),
    }


def test_pictures_have_the_names_of_their_classes_and_the_splits_of_their_folders(tmp_path: Path) -> None:
    splits = {"train": labelled(12), "val": labelled(4), "test": labelled(6), "extra": labelled(3)}
    folder = save_splits(tmp_path / "pets", splits, PETS)
    card = pack("pets", folder, tmp_path / "packed")
    assert (card.kind, card.shape, card.classes) == ("image", (1, 8, 8), ("cat", "dog"))
    assert (card.counts.train, card.counts.validation, card.counts.test) == (12, 4, 6)
    assert "'extra' was left out" in card.notes[0]
    x, y = (np.load(tmp_path / "packed" / f"{name}.npy") for name in ("x", "y"))
    assert x[:, 0, 0, 0].tolist() == [10 * n for n in range(12)]
    assert y.tolist() == [1, 0] * 6
    paths = json.loads((tmp_path / "packed" / "paths.json").read_text())
    assert paths["_test"][5] == "test/data-00000-of-00001.arrow/image/5"


def test_pictures_without_a_label_or_beyond_repair_are_passed_over(tmp_path: Path) -> None:
    columns = labelled(150)
    columns["label"] = pa.array([-1, *(n % 2 for n in range(149))])
    cells = pa.array(columns["image"]).to_pylist()
    cells[7] = {"bytes": b"\x89PNG\r\n", "path": None}
    columns["image"] = pa.array(cells, columns["image"].type)  # type: ignore[attr-defined]
    samples = read(save_to_disk(tmp_path / "pets", [columns], PETS))
    assert isinstance(samples, Samples)
    assert len(samples.arrays["x"]) == 148
    assert "1 picture without a label in 'label' were left out" in samples.notes
    assert any("image/7 cannot be read" in note for note in samples.notes)


def test_a_table_has_the_rows_of_all_files_and_classes_by_their_names(tmp_path: Path) -> None:
    table = read(save_to_disk(tmp_path / "houses", [houses(20), houses(5)], HOUSES))
    assert isinstance(table, Table)
    assert [(column.name, column.kind, column.missing) for column in table.columns] == [
        ("area", "number", 2),
        ("kind", "boolean", 2),
        ("sold", "date", 0),
    ]
    assert table.columns[1].classes == ("flat", "house")
    assert table.values[[0, 1, 19, 21], 0].tolist()[1:] == [1, 19, 1]
    assert table.values[[1, 2, 21], 1].tolist() == [1, 0, 1]


def test_a_table_keeps_its_splits_whatever_its_columns_are(tmp_path: Path) -> None:
    splits = {"test": houses(5), "train": houses(20), "val": houses(4)}
    table = read(save_splits(tmp_path / "houses", splits, HOUSES))
    assert isinstance(table, Table)
    assert table.counts == SplitCounts(train=20, validation=4, test=5)
    assert table.values[[1, 21, 25], 0].tolist() == [1, 1, 1]
    kind = table.columns[1]
    assert (kind.classes, kind.class_counts) == (("flat", "house"), (9, 10))
    assert (kind.missing, kind.missing_in) == (1, {"validation": 1, "test": 1})


def test_a_column_that_only_the_training_rows_have_is_empty_elsewhere(tmp_path: Path) -> None:
    hidden = {name: cells for name, cells in houses(5).items() if name != "kind"}
    table = read(save_splits(tmp_path / "houses", {"train": houses(20), "test": hidden}, HOUSES))
    assert isinstance(table, Table)
    assert (table.columns[1].missing, table.columns[1].missing_in) == (1, {"test": 5})
    assert "test does not have kind" in table.notes[0]


def test_lists_of_numbers_are_sequences(tmp_path: Path) -> None:
    steps = {
        "steps": pa.array([list(range(1 + n % 3)) for n in range(12)]),
        "label": pa.array([n % 2 for n in range(12)]),
    }
    samples = read(save_to_disk(tmp_path / "walks", [steps], {"label": class_label("walks", "runs")}))
    assert isinstance(samples, Samples)
    assert (samples.kind, samples.format, samples.classes) == ("sequence", "arrow", ("runs", "walks"))
    assert samples.arrays["x"].shape == (12, 3, 1)
    features = {"label": class_label("walks", "runs")}
    own = read(save_splits(tmp_path / "own", {"train": steps, "test": steps}, features))
    assert isinstance(own, Samples)
    assert {name: len(values) for name, values in own.arrays.items()} == {"x": 12, "x_test": 12, "y": 12, "y_test": 12}


def test_pictures_are_packed_again_at_their_own_sizes(tmp_path: Path) -> None:
    folder = save_splits(tmp_path / "pets", {"train": labelled(12), "test": labelled(6)}, PETS)
    pack("pets", folder, tmp_path / "packed")
    size = PictureSize(side=8, short=8)
    card = with_size(read_card(tmp_path / "packed"), size)
    resize(folder, tmp_path / "packed", tmp_path / "sized", card, size)
    assert np.array_equal(np.load(tmp_path / "sized" / "x.npy"), np.load(tmp_path / "packed" / "x.npy"))


def test_without_the_package_the_refusal_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_to_disk(tmp_path / "houses", [houses(20)], HOUSES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'bakehouse[huggingface]'" in refusal(folder)


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    whole = save_to_disk(tmp_path / "whole", [houses(20)], HOUSES)
    for change, said in (
        (lambda folder: (folder / "state.json").write_text("[]"), "state.json should hold a JSON object"),
        (lambda folder: (folder / "state.json").write_text("{}"), "state.json lists no Arrow files"),
        (lambda folder: (folder / "dataset_info.json").write_text("{"), "dataset_info.json is not JSON"),
        (lambda folder: (folder / "data-00000-of-00001.arrow").unlink(), "data-00000-of-00001.arrow is missing"),
        (lambda folder: (folder / "data-00000-of-00001.arrow").write_bytes(b"abc"), "as Arrow data"),
        (lambda folder: cut(folder / "data-00000-of-00001.arrow"), "as Arrow data"),
        (lambda folder: point_out(folder / "state.json"), "passwd is missing"),
    ):
        folder = shutil.copytree(whole, tmp_path / "broken")
        change(folder)
        assert said in refusal(folder)
        shutil.rmtree(folder)
    nested = {"a": pa.array([{"b": 1}] * 20), "b": pa.array(range(20))}
    assert "column 'a' has objects in its cells" in refusal(save_to_disk(tmp_path / "nested", [nested], {}))
    beyond = {**houses(20), "kind": pa.array([7] * 20)}
    assert "as Arrow data" in refusal(save_to_disk(tmp_path / "beyond", [beyond], HOUSES))
    several = {"image": pictures(12), "a": pa.array([1] * 12), "b": pa.array([2] * 12)}
    features = {"image": {"_type": "Image"}, "a": value("int64"), "b": value("int64")}
    assert "'a', 'b'; keep one of them" in refusal(save_to_disk(tmp_path / "several", [several], features))
    assert "call one of them train" in refusal(save_splits(tmp_path / "c", {"a": houses(20), "b": houses(20)}, HOUSES))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def point_out(state: Path) -> None:
    state.write_text(json.dumps({"_data_files": [{"filename": "../../../../etc/passwd"}]}))
