"""The file with the secret of the home."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bakehouse.access.errors import HashKeyUnusable
from bakehouse.access.hash_key import FILE, delete_hash_key, make_hash_key, read_hash_key


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new"
    assert read_hash_key(home) is None
    old_mask = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: make_hash_key(home), range(16)))
    finally:
        os.umask(old_mask)
    assert len(set(made)) == 1
    assert [path.name for path in home.iterdir()] == [FILE]
    assert (home / FILE).stat().st_mode & 0o777 == 0o600
    assert read_hash_key(home) == made[0]
    assert len(made[0].secret) * 8 == 256
    delete_hash_key(home)
    delete_hash_key(home)
    assert make_hash_key(home) != made[0]


@pytest.mark.parametrize("text", ["", "00", "x" * 64, "é" * 32])
def test_a_damaged_secret_is_an_error_that_does_not_show_it(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(HashKeyUnusable) as caught:
        read_hash_key(tmp_path)
    assert str(tmp_path / FILE) in str(caught.value)
    assert "x" * 64 not in str(caught.value)


def test_a_secret_does_not_appear_in_its_representation(tmp_path: Path) -> None:
    key = make_hash_key(tmp_path)
    assert key.secret.hex() not in repr(key) + str(key) + key.id
