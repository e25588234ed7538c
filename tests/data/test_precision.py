"""The numbers that are kept in 64 bits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packing import pack
from bakehouse.data.precision import moments, needs_double, rounding_error
from tests.packed_arrays import load_arrays

AXES = (0,)
RANDOM = np.random.default_rng(0)


def column(values: np.ndarray) -> np.ndarray:
    return np.stack([RANDOM.normal(size=len(values)), values], axis=1)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        (1_700_000_000_000 + RANDOM.integers(0, 60_000, 400), True),  # milliseconds of a minute
        (1_700_000_000 + RANDOM.integers(0, 300, 400), True),
        (4_915_112_300_000 + RANDOM.integers(0, 8000, 400), True),
        (1_700_000_000 + RANDOM.integers(0, 86_400, 400), True),
        (RANDOM.normal(-119.6, 2, 400), False),  # longitudes of California
        (RANDOM.integers(1900, 2024, 400), False),  # whole numbers below 2^24 are exact
        (RANDOM.normal(3, 1, 400), False),
        (RANDOM.normal(3, 1, 400).astype(np.float32) + 1e6, False),  # exact: sums of float32 and a power of ten
        (np.full(400, 0.1), False),
        (0.1 + np.arange(400) % 7 * 1e-17, False),  # constant but for rounding
        (np.where(np.arange(400) % 2, 0.1 + 0.2, 0.3), False),
    ],
)
def test_a_column_needs_64_bits_where_float32_rounds_away_its_spread(values: np.ndarray, needed: bool) -> None:
    assert needs_double(column(np.asarray(values)), AXES) is needed


@given(st.integers(1, 20_000), st.sampled_from([1.0, 1e9, 1e15]), st.integers(0, 2**32 - 1))
def test_moments_and_errors_are_those_of_numpy_about_any_offset(rows: int, offset: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(rows, 2)) * 100 + offset
    mean, std = moments(x, AXES)
    exact = (x - offset).std(0)
    np.testing.assert_allclose(mean - offset, (x - offset).mean(0), rtol=1e-6, atol=1e-15 * offset + 1e-9)
    np.testing.assert_allclose(std, exact, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(rounding_error(x, AXES), np.abs(x - x.astype(np.float32)).max(0))


@pytest.mark.parametrize("name", sorted(path.name for path in BUILTIN.iterdir() if path.is_dir()))
def test_the_sets_that_come_with_the_package_stay_as_they_are(name: str) -> None:
    arrays = load_arrays(BUILTIN / name)
    assert arrays.x.dtype in (np.uint8, np.float32)
    assert arrays.y.dtype in (np.int64, np.float32)


def test_a_table_is_loaded_in_64_bits_only_where_its_inputs_need_them(tmp_path: Path) -> None:
    times = 1_700_000_000_000 + np.arange(12) * 7
    rows = "".join(f"{time},{i / 4},{i % 2}\n" for i, time in enumerate(times))
    (tmp_path / "log.csv").write_text("time,dose,kind\n" + rows)
    card = pack("log", tmp_path / "log.csv", tmp_path / "packed")
    assert card.columns is not None
    assert (card.dtype, [column.dtype for column in card.columns]) == ("float64", ["float64", "float32", "float32"])
    by_time = load_arrays(tmp_path / "packed", target="kind")
    assert by_time.x.dtype == np.float64
    np.testing.assert_array_equal(by_time.x[:, 0], times)
    of_time = load_arrays(tmp_path / "packed", target="time", loss="squared_error")
    assert (of_time.x.dtype.name, of_time.y.dtype.name) == ("float32", "float64")
    np.testing.assert_array_equal(of_time.y, times)
    together = load_arrays(tmp_path / "packed", target="kind", tasks=[{"target": "time", "loss": "squared_error"}])
    assert (together.x.dtype.name, together.y.dtype.name) == ("float32", "float64")
    np.testing.assert_array_equal(together.y[:, 1], times)


@pytest.mark.parametrize(("shape", "kind"), [((12, 2), "table"), ((12, 5, 2), "sequence"), ((12, 3, 2, 4), "image")])
def test_arrays_are_packed_without_loss_and_alike_in_all_splits(
    tmp_path: Path, shape: tuple[int, ...], kind: str
) -> None:
    x = RANDOM.integers(0, 60_000, shape) + 1_700_000_000_000
    y = 1e12 + np.arange(12.0)
    few = RANDOM.integers(0, 9, shape).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=y, x_test=few, y_test=few[:, 0].reshape(12, -1)[:, 0] / 2, kind=kind)
    card = pack("a", tmp_path / "a.npz", tmp_path / "packed")
    arrays = load_arrays(tmp_path / "packed")
    assert card.dtype == arrays.x.dtype.name == "float64"
    assert arrays.x_test is not None
    assert arrays.x_test.dtype == np.float64
    np.testing.assert_array_equal(arrays.x, x)
    np.testing.assert_array_equal(arrays.y, y)
