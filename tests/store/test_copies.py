"""The copies of what is in a bucket: those that were not used for longest go first, and those in use stay."""

import os
import time
from pathlib import Path

import pytest

from bakehouse.store.copies import IN_USE_SECONDS, mark_used, trim_copies
from bakehouse.store.errors import StoreAway

LONG_AGO = IN_USE_SECONDS + 100
PLACES = (
    "artifacts/local/run_000000000001/checkpoints/a",
    "artifacts/local/run_000000000001/resume/b",
    "store/datasets/packed/c",
    "store/uploads/data_1/source",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose copies have 100 bytes each and were used one after the other."""
    for number, place in enumerate(PLACES):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").write_bytes(bytes(100))
        at = time.time() - LONG_AGO + number
        os.utime(tmp_path / place, (at, at))
    (tmp_path / "artifacts/local/run_000000000001/attempts").mkdir()
    return tmp_path


def has_all(key: str) -> bool:
    return True


def kept(home: Path) -> list[str]:
    return [place for place in PLACES if (home / place).exists()]


def test_below_the_limit_everything_stays(home: Path) -> None:
    assert trim_copies(home, 400, has_all) == 0
    assert kept(home) == list(PLACES)


def test_what_was_not_used_for_longest_goes(home: Path) -> None:
    assert trim_copies(home, 250, has_all) == 200
    assert kept(home) == list(PLACES[2:])
    assert (home / "artifacts/local/run_000000000001/attempts").exists()


def test_what_was_used_a_moment_ago_stays(home: Path) -> None:
    os.utime(home / PLACES[0])
    assert trim_copies(home, 0, has_all) == 300
    assert kept(home) == [PLACES[0]]


def test_what_the_bucket_lacks_stays(home: Path) -> None:
    stored = {"runs/run_000000000001/resume/b/manifest.json", "uploads/data_1/source/.manifest.json"}
    asked: list[str] = []

    def has(key: str) -> bool:
        asked.append(key)
        return key in stored

    assert trim_copies(home, 0, has) == 200
    assert kept(home) == [PLACES[0], PLACES[2]]
    assert {"runs/run_000000000001/checkpoints/a/manifest.json", "datasets/packed/c/.manifest.json"} <= {*asked}


def test_everything_stays_while_the_bucket_is_away(home: Path) -> None:
    def has(key: str) -> bool:
        raise StoreAway("it is away")

    assert trim_copies(home, 0, has) == 0
    assert kept(home) == list(PLACES)


def test_what_is_being_fetched_or_written_stays(home: Path) -> None:
    at = time.time() - LONG_AGO
    unfinished = [
        home / "store/datasets/packed/.x-1.tmp",
        home / "artifacts/local/run_000000000001/resume/1-a.tmp",
    ]
    for path in unfinished:
        path.mkdir()
        os.utime(path, (at, at))
    left = home / "store/datasets/packed/.y.evicted"
    left.mkdir()
    assert trim_copies(home, 0, has_all) == 400
    assert all(path.exists() for path in unfinished)
    assert not left.exists()


def test_a_copy_that_is_used_in_the_last_moment_stays(home: Path) -> None:
    def has(key: str) -> bool:
        assert mark_used(home / PLACES[0])
        return True

    assert trim_copies(home, 0, has) == 300
    assert kept(home) == [PLACES[0]]
    assert not mark_used(home / PLACES[1])
