"""The copies of what is in a bucket: those that were not used for longest go first, and those in use stay."""

import os
import time
from pathlib import Path

import pytest

from bakehouse.store.copies import IN_USE_SECONDS, trim_copies

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


def kept(home: Path) -> list[str]:
    return [place for place in PLACES if (home / place).exists()]


def test_below_the_limit_everything_stays(home: Path) -> None:
    assert trim_copies(home, 400) == 0
    assert kept(home) == list(PLACES)


def test_what_was_not_used_for_longest_goes(home: Path) -> None:
    assert trim_copies(home, 250) == 200
    assert kept(home) == list(PLACES[2:])
    assert (home / "artifacts/local/run_000000000001/attempts").exists()


def test_what_was_used_a_moment_ago_stays(home: Path) -> None:
    os.utime(home / PLACES[0])
    assert trim_copies(home, 0) == 300
    assert kept(home) == [PLACES[0]]
