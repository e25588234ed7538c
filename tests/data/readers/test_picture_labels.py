"""Labels of pictures in a CSV file."""

from pathlib import Path

import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.picture_files import Picture, find_pictures

NAMES = ("1.png", "2.jpg", "3.PNG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, text: str, file: str = "labels.csv") -> tuple[list[Picture], list[str]]:
    (folder / file).write_text(text, encoding="utf-8")
    notes: list[str] = []
    return find_pictures(folder, notes, []), notes


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.csv", "file,label\n1.png,cat\n2.jpg,dog\n3.PNG,cat\n"),
        ("LABELS.CSV", "\ufefffile,label\r\n1.png,cat\r\n2.jpg,dog\r\n3.PNG,cat"),
        ("all.tsv", "label\tid\ncat\t1\ndog\t2\ncat\t3\n"),
        ("labels.csv", "1.png;cat\n./2.jpg;dog\n3.PNG;cat\n"),
        ("labels.csv", 'width,Class,image\n7,cat,1.png\n9,"dog",2.jpg\n7, cat ,3.PNG\n'),
    ],
)
def test_a_column_of_names_and_a_column_of_labels_are_found(folder: Path, file: str, text: str) -> None:
    pictures, notes = read(folder, text, file)
    assert [(picture.path[-1], picture.label) for picture in pictures] == list(
        zip(NAMES, ("cat", "dog", "cat"), strict=True)
    )
    assert notes == [f"the labels are those of {file}"]


def test_pictures_may_lie_in_folders_and_have_splits(tmp_path: Path) -> None:
    for path in ("part 1/1.png", "part 1/2.png", "part 2/3.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    text = "file,dx,split\npart 1/1.png,mole,train\n2.png,wart,Validation\n3,mole,TEST\n"
    pictures, _ = read(tmp_path, text)
    assert [(picture.label, picture.split) for picture in pictures] == [
        ("mole", ""), ("wart", "_validation"), ("mole", "_test"),
    ]  # fmt: skip


def test_rows_and_pictures_without_each_other_are_counted(folder: Path) -> None:
    pictures, notes = read(folder, "file,label\n1.png,cat\n2.jpg,\n9.png,dog\n2.png,dog\n1.png,cat\n")
    assert [picture.path for picture in pictures] == [("1.png",)]
    assert notes[1:] == [
        "2 rows of labels.csv name no picture, such as '9.png'",
        "pictures without a label were left out: 1, such as '2.jpg'",
        "pictures that labels.csv does not name were left out: 1",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\nx,y\n", "labels.csv was not read as a file of labels: no column of it has the names of the pictures"),
        (
            "file,width,height\n1.png,1,2\n2.jpg,1,2\n",
            "it has the columns file, width, height; call that of the labels",
        ),
        ("file,label\n1.png,cat\n2.jpg\n", "row 3 has 1 cells, but the first has 2"),
        ("file\n1.png\n", "it has fewer than two columns"),
        ("", "it has fewer than two columns"),
    ],
)
def test_a_file_that_gives_no_labels_is_explained(folder: Path, text: str, problem: str) -> None:
    with pytest.raises(UnusableSource, match=problem):
        read(folder, text)


def test_class_folders_count_more_than_a_file_that_gives_no_labels(tmp_path: Path) -> None:
    for name in ("day", "night"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    pictures, notes = read(tmp_path, "camera,price\na,1\n", "cameras.csv")
    assert {picture.label for picture in pictures} == {"day", "night"}
    assert notes[0].startswith("cameras.csv was not read as a file of labels")
