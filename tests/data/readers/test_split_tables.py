"""Folders with a table for each split."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import describe, pack, read_source
from bakehouse.data.parsed import Contents, Samples, Table
from bakehouse.data.splits import split_as_planned
from bakehouse.plan.card import SplitCounts
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe

COUNTS = SplitCounts(train=20, validation=5, test=6)


def rows(count: int, first: int = 0) -> str:
    return "".join(f"{n},{'' if n % 7 == 3 else n / 2},{'abc'[n % 3]},{n % 2}\n" for n in range(first, first + count))


HEADER = "id,area,street,label\n"
FILES = {"train.csv": HEADER + rows(20), "val.csv": HEADER + rows(5, 20), "test.csv": HEADER + rows(6, 25)}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def read(folder: Path) -> Contents:
    return read_source(folder, describe(folder.name, folder))


def table_of(folder: Path) -> Table:
    table = read(folder)
    assert isinstance(table, Table)
    return table


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "val.csv", "test.csv"),
        ("houses_Train.csv", "houses-validation.csv", "houses.test.csv"),
        ("training/a.csv", "dev/a.csv", "Testing/b.csv"),
        ("data/train-00000-of-00001.csv", "data/valid-0.csv", "data/test-0.csv"),
    ],
)
def test_the_name_of_a_table_or_its_folder_says_its_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    files = dict(zip(names, FILES.values(), strict=True))
    table = table_of(write(tmp_path / "houses", {**files, "README.md": "# Houses"}))
    assert table.counts == COUNTS
    assert table.values[:, 0].tolist() == list(range(31))
    area = table.columns[1]
    assert (area.missing, area.missing_in) == (3, {"validation": 1})
    assert table.columns[2].class_counts == (7, 7, 6)


def test_parquet_files_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    write(tmp_path / "text", FILES)
    known = table_of(tmp_path / "text")
    for ending, form in ((".parquet", "PARQUET"), (".jsonl", "JSON")):
        folder = tmp_path / form
        folder.mkdir()
        for name in FILES:
            source = f"read_csv('{tmp_path / 'text' / name}')"
            duckdb.sql(f"COPY (FROM {source}) TO '{folder / name.removesuffix('.csv')}{ending}' (FORMAT {form})")
        table = table_of(folder)
        assert table.counts == COUNTS
        np.testing.assert_array_equal(table.values, known.values)
        assert table.columns == known.columns


def test_a_split_has_the_rows_of_all_its_files(tmp_path: Path) -> None:
    files = {"train/1.csv": HEADER + rows(12), "train/2.csv": HEADER + rows(8, 12), "test/1.csv": HEADER + rows(6, 25)}
    table = table_of(write(tmp_path / "houses", files))
    assert table.counts == SplitCounts(train=20, test=6)
    assert table.values[:, 0].tolist() == [*range(20), *range(25, 31)]


def test_columns_may_come_in_another_order_and_the_test_rows_without_labels(tmp_path: Path) -> None:
    test = "street;area;id;price\nb;1,5;30;7\na;2,5;31;8\n"
    folder = write(tmp_path / "houses", {"train.csv": HEADER + rows(20), "test.csv": test, "sample.csv": "id\n1\n"})
    table = table_of(folder)
    assert table.counts == SplitCounts(train=20, test=2)
    assert table.values[-2:, 0].tolist() == [30, 31]
    assert (table.columns[3].missing, table.columns[3].missing_in) == (0, {"test": 2})
    notes = " ".join(table.notes)
    for said in ("sample.csv", "test.csv does not have label", "price of test.csv was left out"):
        assert said in notes
    card = pack("houses", folder, tmp_path / "packed")
    recipe = read_recipe({"dataset": {"id": "houses", "target": "label"}, "architecture": "mlp", "batch_size": 4})
    plan = make_plan(recipe, card)
    # Without labels, the rows of the file cannot be a test split.
    assert plan.sizes == (13, 3, 4)
    assert load(tmp_path / "packed", plan.data).x_test is None


def test_numbers_of_rows_that_begin_anew_in_each_file_are_no_inputs(tmp_path: Path) -> None:
    def numbered(header: str, count: int) -> str:
        return header + "".join(f"{n},{n % 5},{n % 2}\n" for n in range(count))

    nameless = table_of(
        write(tmp_path / "a", {"train.csv": numbered(",b,label\n", 20), "test.csv": numbered(",b,label\n", 6)})
    )
    assert [column.name for column in nameless.columns] == ["b", "label"]
    named = table_of(
        write(tmp_path / "b", {"train.csv": numbered("row,b,label\n", 20), "test.csv": numbered("row,b,label\n", 6)})
    )
    assert [column.kind for column in named.columns] == ["identifier", "number", "number"]


def test_each_split_is_planned_and_loaded_with_its_labelled_rows(tmp_path: Path) -> None:
    files = {name: text.replace("22,11.0,b,0", "22,11.0,b,") for name, text in FILES.items()}
    pack("houses", write(tmp_path / "houses", files), tmp_path / "packed")
    card = read_card(tmp_path / "packed")
    recipe = read_recipe({"dataset": {"id": "houses", "target": "label"}, "architecture": "mlp", "batch_size": 4})
    plan = make_plan(recipe, card)
    arrays = load(tmp_path / "packed", plan.data)
    found = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
    assert plan.sizes == (20, 4, 6) == (len(found.train), len(found.validation), len(found.test))
    assert found.validation.tolist() == [0, 1, 3, 4]
    assert arrays.x_test is not None
    assert arrays.y_test is not None
    assert arrays.y_test.tolist() == [n % 2 for n in range(25, 31)]
    for rule in ({"type": "group", "column": "street"}, {"type": "time", "column": "area"}):
        with pytest.raises(RecipeInvalid, match="its own validation and test split"):
            make_plan(
                recipe.model_validate(
                    {**recipe.model_dump(), "dataset": {"id": "houses", "target": "label", "split": rule}}
                ),
                card,
            )


def test_lists_of_numbers_in_json_are_sequences_with_splits(tmp_path: Path) -> None:
    line = '{{"steps": [[{0}, 1], [2, {0}]], "label": "{1}"}}\n'
    files = {
        f"{name}.jsonl": "".join(line.format(n, "ab"[n % 2]) for n in range(count))
        for name, count in (("train", 12), ("test", 4))
    }
    samples = read(write(tmp_path / "walks", files))
    assert isinstance(samples, Samples)
    assert samples.arrays["x_test"].shape == (4, 2, 2)
    assert samples.arrays["y_test"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train.csv": HEADER + rows(20), "test.csv": HEADER + rows(3) + "1,2\n"}, "test.csv: line 5 has 2 cells"),
        ({"train.csv": HEADER + rows(20), "test.csv": "a,b\n1,2\n"}, "test.csv has none of the columns"),
        ({"train.csv": HEADER + rows(20), "train_labels.csv": "id,y\n1,2\n"}, "train_labels.csv has other columns"),
        ({"train.csv": HEADER + rows(20), "test.jsonl": '{"id": 1}\n'}, "have different formats"),
        ({"train.csv": HEADER + rows(4), "test.csv": HEADER + rows(20)}, "4 rows are too few"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_with_its_file(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(UnusableSource) as refused:
        read(write(tmp_path / "houses", files))
    assert said in str(refused.value)


def test_a_class_that_the_train_split_does_not_have_cannot_be_learned(tmp_path: Path) -> None:
    test = HEADER + rows(5, 25) + "30,3.5,d,1\n"
    card = pack("set", write(tmp_path / "set", {**FILES, "test.csv": test}), tmp_path / "packed")
    with pytest.raises(
        RecipeInvalid, match="no row of the train split has the class 'd' of the column street"
    ) as refused:
        make_plan(read_recipe({"dataset": {"id": "set", "target": "street"}, "architecture": "mlp"}), card)
    assert refused.value.problems[0].pointer == "/dataset/target"
    # Its numbers can be predicted, and the other column can be learned.
    make_plan(read_recipe({"dataset": {"id": "set", "target": "label"}, "architecture": "mlp"}), card)


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {**FILES, "test.csv": HEADER})
    with pytest.raises(UnusableSource, match="the test split has no rows: add rows to its files, or remove them"):
        read(folder)
