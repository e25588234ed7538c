"""Programs that end with the last process that needs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakehouse.processes import spawn
from tests.processes import command_of, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the reader of a pipe")


def test_a_program_ends_with_the_last_process_that_needs_it() -> None:
    needed, needing = os.pipe()
    program = spawn(["/bin/sleep", "600"], needed=needed)
    first, second = (subprocess.Popen(["/bin/sleep", "600"], pass_fds=[needing]) for _ in range(2))
    os.close(needing)
    wait_until(lambda: command_of(program.pid)[0] == "/bin/sleep")
    for process in (first, second):
        assert program.poll() is None
        process.kill()
        process.wait()
    assert program.wait(60) == -15
    os.close(needed)


def test_a_program_that_nobody_needs_is_not_started(tmp_path: Path) -> None:
    needed, needing = os.pipe()
    os.close(needing)
    log = tmp_path / "log"
    assert spawn(["/bin/echo", "started"], needed=needed, log=log).wait(60) == 1
    assert log.read_text() == "no process needs this program any more\n"
    os.close(needed)
