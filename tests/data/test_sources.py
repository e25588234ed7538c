"""The files and folders that are data sets."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.sources import BuiltIn, Files, Missing, Refused, SignatureCache, Source, find_sources


def find_by_name(data: Path | None) -> dict[str, Source]:
    return {source.id: source for source in find_sources(data, SignatureCache())}


def test_without_a_folder_there_are_the_built_in_and_the_known() -> None:
    found = find_by_name(None)
    assert found["digits"] == BuiltIn("digits", BUILTIN / "digits")
    assert found["mnist"] == Missing("mnist", KNOWN["mnist"].instructions)
    assert set(found) == {*(path.name for path in BUILTIN.iterdir()), *KNOWN}
    assert {"fashion_mnist", "mnist", "cifar10", "cifar100"} <= set(KNOWN)


def test_a_folder_that_is_not_there_is_listed(tmp_path: Path) -> None:
    refused = find_by_name(tmp_path / "nowhere")["BAKEHOUSE_DATA"]
    assert refused == Refused(
        "BAKEHOUSE_DATA", "the folder that this setting names does not exist: create it or change the setting"
    )


def test_own_files_are_named_by_their_stems_in_lower_case(tmp_path: Path) -> None:
    for name in ("Doses.v2.csv", "b.NPZ", "README.md", "LICENSE", ".hidden.npz"):
        (tmp_path / name).write_text("")
    (tmp_path / "Pets.v1").mkdir()
    found = find_by_name(tmp_path)
    own = {name for name, source in found.items() if isinstance(source, Files) and source.path.parent == tmp_path}
    assert own == {"doses.v2", "b", "pets.v1"}
    assert not any(isinstance(source, Refused) for source in found.values())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("weights.pkl", ".pkl files cannot be read"),
        ("my data.csv", "1 to 64 of a-z"),
        ("_x.csv", "1 to 64 of a-z"),
        ("x" * 65 + ".csv", "1 to 64 of a-z"),
        ("a\n\x1b[31m.npz", "1 to 64 of a-z"),
        ("Iris.csv", "iris is the name of a built-in data set"),
    ],
)
def test_names_that_cannot_be_used_are_listed_with_the_reason(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / name).write_text("")
    refused = find_by_name(tmp_path)[name]
    assert isinstance(refused, Refused)
    assert problem in refused.problem


def test_links_and_equal_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "a.npz").write_text("")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / os.fsdecode(b"\xff.csv")).write_text("")
    found = find_by_name(tmp_path)
    assert found["a"] == Refused("a", "a.csv and a.npz would both be the data set a: rename all but one of them")
    assert found["link.csv"] == Refused(
        "link.csv", "it is a symbolic link, which Bakehouse does not follow: copy or move the data here"
    )
    assert isinstance(found["\\udcff.csv"], Refused)


def test_own_files_of_a_known_data_set_are_used(tmp_path: Path, save_idx: Callable[[Path], None]) -> None:
    save_idx(tmp_path / "fashion_mnist")
    found = find_by_name(tmp_path)["fashion_mnist"]
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
    before = SignatureCache().signature(tmp_path / "set")
    assert SignatureCache().signature(tmp_path / "set") == before
    CHANGES[change](picture)
    assert SignatureCache().signature(tmp_path / "set") != before
