"""The output of a training process in the log of its attempt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.attempt_logs import MAX_BYTES, AttemptLog, open_attempt_log, read_attempt_log
from tests.running_service import ROOT
from worker.host.attempt_output import describe_death, shorten

RUN = "run_222222222222"
PROGRAM = """
import os, subprocess, sys, time
from pathlib import Path
from types import SimpleNamespace
from bakehouse.runs.artifacts import Artifacts
from worker.host import attempt_output

attempt_output.CHECK_SECONDS = 0.01
record = SimpleNamespace(id="{run}", attempt=3)
with attempt_output.log_output(Artifacts(Path(sys.argv[1])), record):
    {body}
print("after")
"""


def run(folder: Path, body: str) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.format(run=RUN, body="\n    ".join(body.splitlines()))
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def log_of(folder: Path) -> AttemptLog:
    found = read_attempt_log(Artifacts(folder).attempts_folder(RUN))
    assert found is not None
    return found


def test_what_the_process_and_its_children_print_is_in_the_log_and_on_stderr(tmp_path: Path) -> None:
    ended = run(tmp_path, "print('from python')\nsubprocess.run(['sh', '-c', 'echo from a child >&2'])")
    log = log_of(tmp_path)
    assert log.attempt == 3
    first, *others = log.text.splitlines()
    assert f"attempt 3 at {RUN} on " in first
    assert sorted(others) == ["from a child", "from python"]
    assert sorted(ended.stderr.splitlines()) == ["from a child", "from python"]
    assert ended.stdout == "after\n"


def test_a_crash_in_compiled_code_leaves_a_traceback_in_the_log(tmp_path: Path) -> None:
    assert run(tmp_path, "import ctypes\nctypes.string_at(0)").returncode < 0
    assert "Segmentation fault" in log_of(tmp_path).text
    assert "string_at" in log_of(tmp_path).text


def test_a_process_that_prints_without_end_keeps_the_beginning_and_the_end_of_its_log(tmp_path: Path) -> None:
    body = """
path = Path(sys.argv[1]) / "local" / record.id / "attempts" / "3.log"
for _ in range(3):
    print("x" * (1 << 20), flush=True)
    while path.stat().st_size > (1 << 20):
        time.sleep(0.005)
print("the end")"""
    run(tmp_path, body)
    text = log_of(tmp_path).text
    assert len(text) < MAX_BYTES
    assert f"attempt 3 at {RUN}" in text
    assert "[output is left out here]\n" in text
    assert text.endswith("x\nthe end\n")


def test_the_last_words_before_the_middle_is_dropped_are_kept(tmp_path: Path) -> None:
    log = open_attempt_log(tmp_path, 1)
    os.write(log, b"begin\n" + b"x" * MAX_BYTES + b"\nRuntimeError: last words\n")
    shorten(log)
    os.write(log, b"end\n")
    os.close(log)
    text = (tmp_path / "1.log").read_text()
    assert text.startswith("begin\n")
    assert text.endswith("\nRuntimeError: last words\nend\n")
    assert MAX_BYTES // 2 < len(text) < MAX_BYTES


def test_an_attempt_runs_without_a_log_if_its_folder_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "local").touch()
    ended = run(tmp_path, "print('from python')")
    assert ended.stdout == "from python\nafter\n"
    assert f"The log of {RUN} cannot be written: Not a directory" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["local"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(-9, "ended by SIGKILL; if nobody"), (-11, "ended by SIGSEGV"), (75, "exited with code 75 before the end")],
)
def test_the_end_of_a_process_is_described(code: int, words: str) -> None:
    assert words in describe_death(code)
