"""The files and folders that are data sets."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.sources import BuiltIn, Files, Missing, Refused, Source, find_sources


def find_by_name(data: Path | None) -> dict[str, Source]:
    return {source.id: source for source in find_sources(data)}


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


def test_every_ending_of_a_table_is_left_out_of_its_name(tmp_path: Path) -> None:
    names = ("a.tsv", "b.txt", "c.data", "d.CSV.gz", "e.tsv.gz", "f.zip", "g.parquet", "h.jsonl", "i.ndjson", "j.json")
    for name in names:
        (tmp_path / name).write_text("")
    for name in ("README.txt", "readme-first.txt", "LICENSE.txt", "notes.txt"):
        (tmp_path / name).write_text("")
    found = find_by_name(tmp_path)
    own = {name: source.path.name for name, source in found.items() if isinstance(source, Files)}
    assert dict(zip("abcdefghij", names, strict=True)).items() <= own.items()
    assert not {"readme", "readme-first", "license", "notes"} & set(found)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("weights.pkl", ".pkl files cannot be read"),
        ("alone.npy", "a .npy file has one array, but a data set needs inputs and targets: save both in one file"),
        ("backup.tar.gz", ".tar.gz files cannot be read"),
        ("book.xlsx", ".xlsx files cannot be read: use .csv, .tsv, .parquet, .jsonl or .npz"),
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


def test_only_files_and_folders_are_data_sets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "b.csv"))
    found = find_by_name(tmp_path)
    reason = "but a data set consists of regular files and folders: remove it or copy the data here"
    assert found["a.npz"] == Refused("a.npz", f"it is a named pipe, {reason}")
    assert found["b.csv"] == Refused("b.csv", f"it is a socket, {reason}")


@pytest.mark.parametrize(("number", "reason"), [(errno.EACCES, "Permission denied"), (errno.ESTALE, "Stale file")])
def test_a_folder_that_cannot_be_read_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fail(_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "scandir", fail)
    found = find_by_name(tmp_path)
    refused = found["BAKEHOUSE_DATA"]
    assert isinstance(refused, Refused)
    assert refused.problem.startswith(f"the folder that this setting names cannot be read: {reason}")
    assert "digits" in found
