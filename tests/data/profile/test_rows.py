"""The rows that findings are made from."""

import numpy as np

from bakehouse.data.profile.rows import describe_sample, examined_rows, percent, sample_rows


def test_a_small_set_is_examined_whole() -> None:
    assert sample_rows(7, 7).tolist() == list(range(7))
    assert describe_sample(7, 7) == ""


def test_a_sample_has_one_row_of_each_block_and_is_the_same_each_time() -> None:
    rows = sample_rows(1003, 10)
    assert (rows // 100.3).astype(int).tolist() == list(range(10))
    assert np.array_equal(rows, sample_rows(1003, 10))


def test_wide_tables_are_examined_in_fewer_rows() -> None:
    assert [len(examined_rows(60_000, columns)) for columns in (10, 2000, 10**6)] == [50_000, 10_000, 200]


def test_only_all_of_something_is_100_percent() -> None:
    assert [percent(share) for share in (0, 1e-9, 0.125, 0.99999, 1)] == [
        "0 %",
        "below 0.01 %",
        "12.5 %",
        "over 99.9 %",
        "100 %",
    ]
