"""Packing in a child process, under limits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.child_process import PACKAGE_ROOT
from bakehouse.data.packed_folders import is_packed, read_card, read_problem
from bakehouse.data.signatures import compute_signature

NEWLINE = "\n"


def run(source: Path, target: Path, *, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Packs as `pack_in_child` does; `before` is run in the child first."""
    code = (
        f"from bakehouse.data import packing; from pathlib import Path; import resource, sys{NEWLINE}{before}{NEWLINE}"
    )
    code += "packing.main('set', Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(source), str(target)]
    return subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=False)


def target_of(source: Path) -> Path:
    """The folder for the present version of the files."""
    return source.parent / f"packed-{compute_signature(source)}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A sound file of a megabyte and a half."""
    rows = np.random.default_rng(0).normal(size=(50_000, 4))
    np.savez(tmp_path / "set.npz", x=rows, y=np.arange(50_000) % 2)
    return tmp_path / "set.npz"


def test_a_sound_file_is_packed(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bakehouse.data.packing", "set", str(source), str(target_of(source))]
    done = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"ok": True}
    assert is_packed(target_of(source))
    assert {path.name for path in tmp_path.iterdir()} == {"set.npz", target_of(source).name}


def test_a_broken_file_is_an_answer_that_stays(tmp_path: Path) -> None:
    source = tmp_path / "set.csv"
    source.write_text("a,b\n1\n")
    done = run(source, target_of(source))
    problem = "line 2 has 1 cell, but the header has 2"
    assert (done.returncode, json.loads(done.stdout)) == (0, {"problem": problem})
    assert read_problem(target_of(source)) == problem


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("packing.LIMITS[resource.RLIMIT_DATA] = 1 << 20", "reading its files takes more than 0 GiB of memory"),
        ("packing.LIMITS[resource.RLIMIT_CPU] = 0", "reading its files takes more than 600 seconds of processor time"),
    ],
)
def test_memory_and_processor_time_are_limited(source: Path, limit: str, problem: str) -> None:
    done = run(source, target_of(source), before=limit)
    assert json.loads(done.stdout) == {"problem": problem}


def test_the_memory_of_texts_is_limited(tmp_path: Path) -> None:
    source = tmp_path / "set.csv"
    source.write_text("a,b\n" + "".join(f"{'text ' * 200}{i},{i}\n" for i in range(20_000)))
    before = "from bakehouse.data.readers import cell_store; cell_store.MEMORY = '10MB'"
    done = run(source, target_of(source), before=before)
    assert json.loads(done.stdout) == {"problem": "reading its files takes more than 8 GiB of memory"}, done.stderr


def test_a_file_that_grows_too_large_is_a_crash_and_leaves_no_set(source: Path) -> None:
    done = run(source, target_of(source), before="packing.LIMITS[resource.RLIMIT_FSIZE] = 1000")
    assert done.returncode == 1
    assert not target_of(source).exists()


def test_names_that_are_not_unicode_are_escaped(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for name in ("cat", "dog"):
        (source / name).mkdir(parents=True)
    (source / "dog" / "\udcff.png").write_bytes(b"")
    run(source, target_of(source))
    assert "dog/\\udcff.png cannot be read" in str(read_problem(target_of(source)))
    for number in range(12):
        Image.new("L", (8, 8), number).save(source / "dog" / f"{number}.png")
        Image.new("L", (8, 8), number + 1).save(source.joinpath("cat", f"{number}.png"))
    run(source, target_of(source))
    assert "dog/\\udcff.png cannot be read" in str(read_card(target_of(source)).unreadable)


@pytest.mark.parametrize(
    "change",
    [
        "path.unlink()",
        "path.write_bytes(b'a,b')",
        "os.replace(path, path.with_suffix('.old')); os.mkfifo(path)",
    ],
    ids=["removed", "rewritten", "replaced by a pipe"],
)
def test_a_file_that_changes_while_it_is_read_is_neither_packed_nor_broken(source: Path, change: str) -> None:
    target = target_of(source)
    before = f"import os; path = Path(sys.argv[1]); describe = packing.describe; {NEWLINE}"
    before += f"def change(*args):{NEWLINE}    {change}{NEWLINE}    return describe(*args){NEWLINE}"
    before += "packing.describe = change"
    done = run(source, target, before=before)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"changed": True})
    assert not target.exists()


def test_a_table_that_is_replaced_between_its_two_readings_is_not_packed(tmp_path: Path) -> None:
    source = tmp_path / "set.csv"
    source.write_text("a,b\n" + "1,2\n" * 20)
    target = target_of(source)
    before = f"from bakehouse.data.readers import csv_table; find_layout = csv_table.find_layout{NEWLINE}"
    before += f"def change(sample):{NEWLINE}    layout = find_layout(sample){NEWLINE}"
    before += (
        f"    Path(sys.argv[1]).write_text('a,b,c'){NEWLINE}    return layout{NEWLINE}csv_table.find_layout = change"
    )
    done = run(source, target, before=before)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"changed": True})
    assert not target.exists()


def test_an_error_of_the_disk_is_no_fault_of_the_files(source: Path) -> None:
    before = f"def fail(*_):{NEWLINE}    raise OSError(5, 'Input/output error', 'set.npz'){NEWLINE}"
    before += "packing.read_npz = fail"
    done = run(source, target_of(source), before=before)
    assert json.loads(done.stdout) == {"unreadable": "set.npz cannot be read: Input/output error"}
    assert not target_of(source).exists()
