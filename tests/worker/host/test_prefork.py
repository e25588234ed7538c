"""What the workers have in common, and what each has for itself."""

import pytest

from bakehouse.settings import Settings
from worker.host.prefork import describe, settings_of


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
def test_each_worker_has_a_gpu_of_its_own_where_there_are_enough(device: str, gpus: int, devices: list[str]) -> None:
    settings = Settings(device=device)
    assert [settings_of(settings, number, gpus).device for number in range(3)] == devices


def test_the_device_is_described_by_a_child() -> None:
    about = describe(Settings(device="cpu", memory_bytes=1 << 34))
    assert (about["memory_bytes"], about["gpus"]) == (1 << 34, 0)
    assert {"bakehouse", "torch", "numpy", "python"} <= about["versions"].keys()
