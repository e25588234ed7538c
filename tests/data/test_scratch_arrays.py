"""Large arrays are files without a name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.packing import pack
from bakehouse.data.scratch_arrays import in_rows, new_array


def test_an_array_that_the_disk_cannot_hold_is_an_error_of_the_disk() -> None:
    with pytest.raises(OSError, match=r"No space left|File too large"):
        new_array((1 << 50,), np.uint8)


def test_rows_are_copied_only_if_they_are_not_in_order_or_of_another_type() -> None:
    values = np.arange(12.0).reshape(3, 4)
    assert in_rows(values, np.float64) is values
    for given, dtype in ((values.T, np.float64), (values, np.float32)):
        copied = in_rows(given, np.dtype(dtype))
        assert copied.flags.c_contiguous
        assert copied.dtype == dtype
        np.testing.assert_array_equal(copied, given)


@pytest.fixture(params=["arrays", "pictures", "table"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    if request.param == "arrays":
        np.savez(tmp_path / "set.npz", x=draw.integers(0, 256, (20, 6, 6, 3), np.uint8), y=np.arange(20) % 2)
        return tmp_path / "set.npz"
    if request.param == "table":
        (tmp_path / "set.csv").write_text("a,b\n" + "".join(f"{i},{i * i}\n" for i in range(20)))
        return tmp_path / "set.csv"
    for number in range(20):
        path = tmp_path / "set" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(path)
    return tmp_path / "set"


def test_a_set_is_packed_alike_in_files_and_in_memory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = pack("set", source, tmp_path / "one")
    monkeypatch.setattr("bakehouse.data.scratch_arrays.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("bakehouse.data.scratch_arrays.BLOCK_BYTES", 100)
    assert pack("set", source, tmp_path / "two") == in_memory
    assert {path.name for path in tmp_path.iterdir()} == {source.name, "one", "two"}
    for path in (tmp_path / "one").glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
