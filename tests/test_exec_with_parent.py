"""Children that die with their parent."""

import subprocess
import sys

import pytest

from bakehouse import exec_with_parent
from tests.processes import is_running, wait_until

# A parent that prints the pid of a bound child and waits for it.
PARENT = """
import os, signal, subprocess, sys, time
child = "import os, signal, time; from bakehouse.exec_with_parent import die_with_parent; " \\
        f"die_with_parent({os.getpid()}, signal.SIGKILL); print(os.getpid(), flush=True); time.sleep(600)"
subprocess.run([sys.executable, "-c", child])
"""
ORPHAN = "import signal; from bakehouse.exec_with_parent import die_with_parent; die_with_parent(1, signal.SIGKILL)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_a_bound_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        wait_until(lambda: not is_running(child))


def test_a_child_whose_parent_has_ended_already_exits_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", ORPHAN], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "has ended" in ended.stderr


def test_the_program_does_not_start_without_its_parent() -> None:
    command = [sys.executable, "-I", "-S", exec_with_parent.__file__, "1", sys.executable, "-c", "print('started')"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
