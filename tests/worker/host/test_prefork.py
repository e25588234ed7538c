"""The parent of the workers: what it learns of the device, and the GPU that each worker gets."""

import subprocess
import sys

import pytest

from bakehouse.settings import Settings
from tests.processes import command_of, is_running, wait_until
from worker.host.prefork import assign_device, inspect_device


@pytest.mark.parametrize(
    ("device", "gpus", "devices"),
    [
        ("auto", 0, ["auto", "auto", "auto"]),
        ("auto", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 4, ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda:1", 4, ["cuda:1", "cuda:1", "cuda:1"]),
        ("cpu", 4, ["cpu", "cpu", "cpu"]),
    ],
)
def test_workers_get_the_gpus_in_turn(device: str, gpus: int, devices: list[str]) -> None:
    settings = Settings(device=device)
    assert [assign_device(settings, number, gpus).device for number in range(3)] == devices


def test_a_child_describes_the_device() -> None:
    info = inspect_device(Settings(device="cpu", memory_bytes=1 << 34))
    assert (info["memory_bytes"], info["gpus"]) == (1 << 34, 0)
    assert {"bakehouse", "torch", "numpy", "python"} <= info["versions"].keys()


PARENT = """
import sys, time
from bakehouse.processes import spawn
print(spawn([sys.executable, "-P", "-m", "worker.host.prefork"]).pid, flush=True)
time.sleep(600)
"""


def test_a_prefork_process_whose_parent_dies_during_its_imports_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        prefork = int(parent.stdout.readline())
        wait_until(lambda: command_of(prefork)[-1] == "worker.host.prefork")
        parent.kill()
        wait_until(lambda: not is_running(prefork))
