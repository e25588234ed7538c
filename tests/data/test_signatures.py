"""Signatures, which tell versions of files apart."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bakehouse.data.signatures import SignatureCache, compute_signature

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


def test_a_path_that_is_gone_has_no_signature_and_one_below_it_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        compute_signature(tmp_path / "set")
    (tmp_path / "set").mkdir()
    before = compute_signature(tmp_path / "set")
    assert compute_signature(tmp_path / "set") == before


def test_a_folder_that_may_not_be_read_has_another_signature_once_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    list_entries = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "cat":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return list_entries(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        closed = compute_signature(tmp_path / "set")
    assert compute_signature(tmp_path / "set") != closed
