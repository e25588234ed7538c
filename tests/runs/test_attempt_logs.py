"""The logs of attempts: which one is read, and how much of it."""

import os
from pathlib import Path

from bakehouse.runs.attempt_logs import MAX_BYTES, AttemptLog, open_attempt_log, read_attempt_log


def write(folder: Path, attempt: int, text: bytes) -> None:
    log = open_attempt_log(folder, attempt)
    os.write(log, text)
    os.close(log)


def test_the_latest_attempt_that_has_a_log_is_read_unless_another_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "attempts"
    assert read_attempt_log(folder) is None
    for attempt in (2, 10, 9):
        write(folder, attempt, f"attempt {attempt}\n".encode())
    (folder / ".snapshot").mkdir()
    assert read_attempt_log(folder) == AttemptLog(10, "attempt 10\n")
    assert read_attempt_log(folder, 2) == AttemptLog(2, "attempt 2\n")
    assert read_attempt_log(folder, 1) is None


def test_a_process_that_opens_a_log_again_appends_to_it(tmp_path: Path) -> None:
    write(tmp_path, 1, b"one\n")
    write(tmp_path, 1, b"two\n")
    assert read_attempt_log(tmp_path) == AttemptLog(1, "one\ntwo\n")


def test_a_large_log_is_read_without_its_middle(tmp_path: Path) -> None:
    write(tmp_path, 1, b"begin" + b"x" * (MAX_BYTES + 100) + b"\xffend")
    found = read_attempt_log(tmp_path)
    assert found is not None
    assert found.text.startswith("beginxx")
    assert found.text.endswith("\N{REPLACEMENT CHARACTER}end")
    assert "[109 bytes are left out here]" in found.text
    assert len(found.text) < MAX_BYTES + 100
