"""Which process is which, and which has ended."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.whole_home import is_running, wait_until
from worker.host.owner import is_dead, kill, start_time, this_process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
BOUND = """
import os, signal, subprocess, sys, time
child = "import os, signal, time; from worker.host.owner import die_with_parent; " \\
        f"die_with_parent({os.getpid()}, signal.SIGKILL); print(os.getpid(), flush=True); time.sleep(600)"
subprocess.run([sys.executable, "-c", child])
"""


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing."""
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_this_process_lives() -> None:
    assert not is_dead(this_process())


def test_each_look_is_another_owner() -> None:
    assert this_process().nonce != this_process().nonce


def test_an_owner_is_dead_once_it_has_ended_and_before_it_is_collected(sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": start_time(sleeper.pid)})
    assert not is_dead(owner)
    assert kill(owner)
    wait_until(lambda: is_dead(owner))
    assert not kill(owner)


def test_a_pid_that_was_used_again_is_another_process(sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": 1})
    assert is_dead(owner)
    assert not kill(owner)
    assert sleeper.poll() is None


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"boot_id": "another"}])
def test_nothing_is_known_of_another_machine(elsewhere: dict[str, str], sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": 1, **elsewhere})
    assert not is_dead(owner)
    assert not kill(owner)
    assert sleeper.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_bound_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", BOUND], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        wait_until(lambda: not is_running(child))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    orphan = "import signal; from worker.host.owner import die_with_parent; die_with_parent(1, signal.SIGKILL)"
    ended = subprocess.run([sys.executable, "-c", orphan], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "is gone" in ended.stderr
