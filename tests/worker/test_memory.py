from pathlib import Path

import pytest

from worker.memory import cgroup_limits, system_memory


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/a/b\n", {"memory.max": "max\n", "a/memory.max": "300\n", "a/b/memory.max": "max\n"}, [300]),
        ("0::/a\n", {"memory.max": "500\n", "a/memory.max": "300\n"}, [300, 500]),
        # In a container, the path is often that on the host, and the files are those of the root.
        ("0::/../host\n", {"memory.max": "200\n"}, [200]),
        ("9:name=systemd:/\n4:memory:/x\n", {"memory/x/memory.limit_in_bytes": "7\n", "x/memory.max": "5\n"}, [7]),
        ("9:name=systemd:/\n", {}, []),
    ],
)
def test_limits_of_all_cgroups_around_a_process_count(
    tmp_path: Path, groups: str, files: dict[str, str], limits: list[int]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(cgroup_limits(groups, tmp_path)) == limits


def test_the_memory_of_this_machine_is_known() -> None:
    assert system_memory() > 1 << 28
