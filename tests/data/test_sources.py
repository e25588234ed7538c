"""What in a folder counts as a data set."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.sources import BuiltIn, Files, Missing, Refused, Signatures, Source, find_sources


def sources(data: Path | None) -> dict[str, Source]:
    """By name."""
    return {source.id: source for source in find_sources(data, Signatures())}


def test_without_a_folder_there_are_the_built_in_and_the_known() -> None:
    found = sources(None)
    assert found["digits"] == BuiltIn("digits", BUILTIN / "digits")
    assert found["mnist"] == Missing("mnist", KNOWN["mnist"].how)
    assert set(found) == {*(path.name for path in BUILTIN.iterdir()), *KNOWN}
    assert {"fashion_mnist", "mnist", "cifar10", "cifar100"} <= set(KNOWN)


def test_a_folder_that_is_not_there_is_listed(tmp_path: Path) -> None:
    refused = sources(tmp_path / "nowhere")["BAKEHOUSE_DATA"]
    assert refused == Refused("BAKEHOUSE_DATA", "it names a folder that is not there: create it, or set another")


def test_own_files_are_named_by_their_stems_in_lower_case(tmp_path: Path) -> None:
    for name in ("Doses.v2.csv", "b.NPZ", "README.md", "LICENSE", ".hidden.npz"):
        (tmp_path / name).write_text("")
    (tmp_path / "Pets.v1").mkdir()
    found = sources(tmp_path)
    own = {name for name, source in found.items() if isinstance(source, Files) and source.path.parent == tmp_path}
    assert own == {"doses.v2", "b", "pets.v1"}
    assert not any(isinstance(source, Refused) for source in found.values())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("weights.pkl", ".pkl files are not read"),
        ("my data.csv", "1 to 64 of a-z"),
        ("_x.csv", "1 to 64 of a-z"),
        ("x" * 65 + ".csv", "1 to 64 of a-z"),
        ("a\n\x1b[31m.npz", "1 to 64 of a-z"),
        ("Iris.csv", "iris is the name of a built-in data set"),
    ],
)
def test_names_that_cannot_be_used_are_listed_with_the_reason(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / name).write_text("")
    refused = sources(tmp_path)[name]
    assert isinstance(refused, Refused)
    assert problem in refused.problem


def test_links_and_equal_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "a.npz").write_text("")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / os.fsdecode(b"\xff.csv")).write_text("")
    found = sources(tmp_path)
    assert found["a"] == Refused("a", "a.csv and a.npz have the same name: rename one of them")
    assert found["link.csv"] == Refused("link.csv", "it is a symbolic link, and none are followed")
    assert isinstance(found["\\udcff.csv"], Refused)


def test_own_files_of_a_known_set_are_taken(tmp_path: Path, save_idx: Callable[[Path], None]) -> None:
    save_idx(tmp_path / "fashion_mnist")
    found = sources(tmp_path)["fashion_mnist"]
    assert isinstance(found, Files)
    assert found.path == tmp_path / "fashion_mnist"


CHANGES: dict[str, Callable[[Path], object]] = {
    "add": lambda picture: picture.with_name("b.png").write_text("two"),
    "remove": lambda picture: picture.unlink(),
    "rewrite": lambda picture: picture.write_text("eno"),
    "rename": lambda picture: picture.rename(picture.with_name("b.png")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_changes_with_any_file_below(tmp_path: Path, change: str) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    picture = tmp_path / "set" / "cat" / "a.png"
    picture.write_text("one")
    before = Signatures().of(tmp_path / "set")
    assert Signatures().of(tmp_path / "set") == before
    CHANGES[change](picture)
    assert Signatures().of(tmp_path / "set") != before
