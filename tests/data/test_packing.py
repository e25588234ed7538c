"""Packing in a child process, under limits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.catalog import PACKAGE_ROOT
from bakehouse.data.packed_folders import is_packed, read_problem


def run(source: Path, target: Path, *, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Packs as the catalog does; `before` is run in the child first."""
    code = f"from bakehouse.data import packing; from pathlib import Path; import resource, sys; {before}; "
    code += "packing.main('set', Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(source), str(target)]
    return subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A sound file of a megabyte and a half."""
    rows = np.random.default_rng(0).normal(size=(50_000, 4))
    np.savez(tmp_path / "set.npz", x=rows, y=np.arange(50_000) % 2)
    return tmp_path / "set.npz"


def test_a_sound_file_is_packed(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bakehouse.data.packing", "set", str(source), str(tmp_path / "packed")]
    done = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"ok": True}
    assert is_packed(tmp_path / "packed")
    assert {path.name for path in tmp_path.iterdir()} == {"set.npz", "packed"}


def test_a_broken_file_is_an_answer_that_stays(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("a,b\n1\n")
    done = run(tmp_path / "set.csv", tmp_path / "packed")
    problem = "line 2 has 1 cells, but the header has 2"
    assert (done.returncode, json.loads(done.stdout)) == (0, {"problem": problem})
    assert read_problem(tmp_path / "packed") == problem


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("packing.LIMITS[resource.RLIMIT_AS] = 0", "reading its files takes more than 0 GiB of memory"),
        ("packing.LIMITS[resource.RLIMIT_CPU] = 0", "reading its files takes more than 600 seconds of processor time"),
    ],
)
def test_memory_and_processor_time_are_limited(source: Path, tmp_path: Path, limit: str, problem: str) -> None:
    done = run(source, tmp_path / "packed", before=limit)
    assert json.loads(done.stdout) == {"problem": problem}


def test_a_file_that_grows_too_large_is_a_crash_and_leaves_no_set(source: Path, tmp_path: Path) -> None:
    done = run(source, tmp_path / "packed", before="packing.LIMITS[resource.RLIMIT_FSIZE] = 1000")
    assert done.returncode == 1
    assert not (tmp_path / "packed").exists()


def test_names_that_are_not_unicode_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "dog"
    folder.mkdir(parents=True)
    (folder / "\udcff.png").write_bytes(b"")
    run(tmp_path / "set", tmp_path / "packed")
    assert str(read_problem(tmp_path / "packed")).startswith("dog/\\udcff.png cannot be read")
