"""Finding the pictures of a folder, and the split and the label of each."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.picture_files import find_pictures

SavePicture = Callable[..., None]


def save_all(folder: Path, *paths: str) -> Path:
    """Makes empty files; pictures are found by their names alone."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def found(folder: Path, *paths: str) -> tuple[set[tuple[str, str, str]], list[str]]:
    """The path, split and label of each picture of these files, and the notes."""
    notes: list[str] = []
    pictures = find_pictures(save_all(folder, *paths), notes, [])
    return {("/".join(picture.path), picture.split, picture.label) for picture in pictures}, notes


def test_every_ending_of_a_picture_is_known_in_any_case(tmp_path: Path) -> None:
    endings = ["jpg", "JPG", "jpeg", "jfif", "Jfif", "png", "PNG", "webp", "bmp", "BMP", "gif", "tif", "TIFF"]
    pictures, notes = found(tmp_path, *(f"day/{number}.{ending}" for number, ending in enumerate(endings)))
    assert (len(pictures), notes) == (len(endings), [])


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("training", "validation", "testing"),
        ("TRAIN", "DEV", "TEST"),
    ],
)
def test_splits_have_their_usual_names(tmp_path: Path, train: str, validation: str, test: str) -> None:
    pictures, notes = found(tmp_path, f"{train}/day/1.png", f"{validation}/day/1.png", f"{test}/day/1.png")
    assert {(split, label) for _, split, label in pictures} == {("", "day"), ("_validation", "day"), ("_test", "day")}
    assert notes == []


@pytest.mark.parametrize(
    ("paths", "empty", "without"),
    [
        (["day/1.png", "night/1.png"], ["dusk"], ["dusk"]),
        (["set/day/1.png", "set/night/1.png"], ["set/dusk"], ["set/dusk"]),
        (["day/1.png", "night/1.png", "dusk/readme.txt"], ["day/old"], ["dusk"]),
        (["train/day/1.png", "train/night/1.png", "test/day/1.png"], ["test/night", "docs"], ["test/night"]),
        (["day/1.png", "night/1.png"], [".git", "__MACOSX"], []),
    ],
)
def test_class_folders_without_pictures_are_found(
    tmp_path: Path, paths: list[str], empty: list[str], without: list[str]
) -> None:
    for path in empty:
        (tmp_path / path).mkdir(parents=True)
    found_without: list[str] = []
    find_pictures(save_all(tmp_path, *paths), [], found_without)
    assert found_without == without


@pytest.mark.parametrize("root", ["", "set/"])
def test_an_empty_folder_of_a_split_is_refused_beside_one_that_is_filled(tmp_path: Path, root: str) -> None:
    (tmp_path / f"{root}test").mkdir(parents=True)
    with pytest.raises(UnusableSource, match="the split test has no pictures: fill its class folders, or remove it"):
        found(tmp_path, f"{root}train/day/1.png", f"{root}train/night/1.png")


@pytest.mark.parametrize(
    ("beside", "note"),
    [
        ("labels/readme.txt", "such as 'labels/readme.txt'"),
        ("labels/1.png", "pictures outside the folders of the splits were left out: 1, such as 'labels/1.png'"),
        ("cover.png", "pictures outside the folders of the splits were left out: 1, such as 'cover.png'"),
        ("test/1.png", "pictures in a split without a class folder have no label and were left out: 1"),
    ],
)
def test_what_lies_beside_the_splits_is_noted(tmp_path: Path, beside: str, note: str) -> None:
    pictures, notes = found(tmp_path, "train/day/1.png", "train/night/1.png", "test/day/0.png", beside)
    assert len(pictures) == 3
    assert note in "; ".join(notes)


@pytest.mark.parametrize(
    "path",
    [
        ".DS_Store", "day/.DS_Store", "Thumbs.db", "day/THUMBS.DB", "desktop.ini", "day/._1.png", "__MACOSX/day/1.png",
        "__MACOSX/train/day/._1.png", ".ipynb_checkpoints/1.png", "@eaDir/1.png", "day/.cache/1.png",
    ],
)  # fmt: skip
@pytest.mark.parametrize("root", ["", "train/"])
def test_what_systems_leave_is_passed_over_without_a_word(tmp_path: Path, root: str, path: str) -> None:
    pictures, notes = found(tmp_path, f"{root}day/1.png", f"{root}night/1.png", path, f"{root}{path}")
    assert len(pictures) == 2
    assert notes == []


def test_folders_inside_a_class_folder_are_read(tmp_path: Path) -> None:
    pictures, notes = found(tmp_path, "day/a/b/1.png", "day/2.png", "night/1.png")
    assert {label for _, _, label in pictures} == {"day", "night"}
    assert len(pictures) == 3
    assert notes == [
        "pictures in folders inside a class folder were read as pictures of that class: 1, such as 'day/a/b/1.png'"
    ]


def test_class_folders_may_lie_deeper(tmp_path: Path) -> None:
    pictures, notes = found(tmp_path, "data/flowers/rose/1.png", "data/flowers/tulip/1.png")
    assert {label for _, _, label in pictures} == {"rose", "tulip"}
    assert notes == []


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    pictures, _ = found(tmp_path, "train/1.png", "bus/1.png", "tram/a/1.png")
    assert {(split, label) for _, split, label in pictures} == {("", "train"), ("", "bus"), ("", "tram")}


def test_pictures_beside_class_folders_are_noted(tmp_path: Path) -> None:
    _, notes = found(tmp_path, "day/1.png", "night/1.png", "cover.png")
    assert notes == ["pictures beside the class folders were left out: 1, such as 'cover.png'"]


def test_links_and_pipes_are_named(tmp_path: Path) -> None:
    save_all(tmp_path, "set/day/1.png", "elsewhere/1.png")
    (tmp_path / "set" / "night").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "set" / "day" / "pipe.png")
    pictures, notes = found(tmp_path / "set")
    assert len(pictures) == 1
    [note] = notes
    assert note.startswith("night is a symbolic link, which Bakehouse does not follow: copy or move the data here; ")
    assert note.endswith("1 more link or device passed over")


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (["1.png", "2.png"], "its pictures are all in one folder, and so of one class: it needs a folder of PNG, JPEG"),
        (["train/1.png", "test/2.png"], "test and train are splits, but hold no class folders: it needs a folder"),
        (["day/1.heic"], r"it holds no pictures: .*train, training, validation.*idx files.*such as 'day/1.heic'"),
    ],
)
def test_other_layouts_are_refused_with_those_that_are_read(tmp_path: Path, paths: list[str], problem: str) -> None:
    with pytest.raises(UnusableSource, match=problem):
        found(tmp_path, *paths)


def test_folders_beyond_any_depth_that_people_use_end(tmp_path: Path) -> None:
    pictures, notes = found(tmp_path, "day/1.png", "day/" + "a/" * 40 + "1.png")
    assert len(pictures) == 1
    assert "passed over: 1" in notes[0]
