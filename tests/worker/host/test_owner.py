"""Owners: this process, others, and which of them have ended."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.processes import wait_until
from worker.host.owner import is_dead, kill, start_time, this_process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_this_process_lives() -> None:
    assert not is_dead(this_process())


def test_each_call_makes_another_owner() -> None:
    assert this_process().nonce != this_process().nonce


def test_an_owner_is_dead_once_it_has_ended_even_as_a_zombie(sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": start_time(sleeper.pid)})
    assert not is_dead(owner)
    assert kill(owner)
    wait_until(lambda: is_dead(owner))
    assert not kill(owner)


def test_a_process_that_got_the_same_pid_later_is_not_the_owner(sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": 1})
    assert is_dead(owner)
    assert not kill(owner)
    assert sleeper.poll() is None


@pytest.mark.parametrize("machine", [{"host": "another"}, {"boot_id": "another"}])
def test_an_owner_elsewhere_counts_as_alive(machine: dict[str, str], sleeper: "subprocess.Popen[bytes]") -> None:
    owner = this_process().model_copy(update={"pid": sleeper.pid, "start_time": 1, **machine})
    assert not is_dead(owner)
    assert not kill(owner)
    assert sleeper.poll() is None
