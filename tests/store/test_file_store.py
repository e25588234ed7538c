"""The store in a folder: what is put appears whole and once, and what is deleted is gone at once."""

from pathlib import Path

import pytest

from bakehouse.store.file_store import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def put(store: FileStore, key: str, text: str) -> bool:
    path = store.new_path(key)
    path.write_text(text)
    return store.put(key, path)


def test_a_key_is_put_once(store: FileStore, tmp_path: Path) -> None:
    assert put(store, "a/b/1", "first")
    assert not put(store, "a/b/1", "second")
    with store.open("a/b/1", start=2) as file:
        assert file.read() == b"rst"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["1"]


def test_a_folder_is_put_whole_and_once(store: FileStore) -> None:
    for text in ("first", "second"):
        path = store.new_path("packed/x")
        path.mkdir()
        (path / "card.json").write_text(text)
        store.put("packed/x", path)
    assert (store.local("packed/x") / "card.json").read_text() == "first"
    assert list(store.sizes("packed/x")) == [5]


def test_what_is_unfinished_is_not_listed_and_is_cleaned_up(store: FileStore, tmp_path: Path) -> None:
    put(store, "a/1", "x")
    store.new_path("a/2").write_text("x")
    assert store.names("a") == ["1"]
    store.clean_up("a", older_than_seconds=60)
    assert len(list((tmp_path / "a").iterdir())) == 2
    store.clean_up("a", older_than_seconds=0)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1"]


def test_a_deletion_frees_its_bytes_once(store: FileStore) -> None:
    put(store, "a/b/1", "12345")
    put(store, "a/b/2", "123")
    assert store.delete("a/b") == 8
    assert store.delete("a/b") == 0
    assert store.names("a/b") == []
    for read in (store.open, store.local):
        with pytest.raises(FileNotFoundError):
            read("a/b/1")


@pytest.mark.parametrize("key", ["../a", "a/../b", "/a", "a//b", ".hidden", "a b", ""])
def test_a_key_never_leads_out_of_the_folder(store: FileStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.delete(key)
