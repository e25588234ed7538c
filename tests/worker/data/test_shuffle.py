"""Orders of an epoch in blocks of rows."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.recipe.shuffle import Blocks
from worker.data.shuffle import shuffle_blocks


def order_of(spec: Blocks, rows: int, seed: int = 0) -> list[int]:
    found: list[int] = shuffle_blocks(spec, rows, torch.Generator().manual_seed(seed)).tolist()
    return found


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 300))
def test_an_order_has_each_row_once(rows: int, mixed: int, count: int) -> None:
    assert sorted(order_of(Blocks(rows=rows, mixed=mixed), count)) == list(range(count))


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 40))
def test_as_many_blocks_as_asked_are_mixed(rows: int, mixed: int, blocks: int) -> None:
    order = order_of(Blocks(rows=rows, mixed=mixed), rows * blocks)
    for start in range(0, len(order), rows * mixed):
        together = {row // rows for row in order[start : start + rows * mixed]}
        assert len(together) == min(mixed, blocks - start // rows)


def test_another_seed_gives_another_order_of_blocks_and_of_rows() -> None:
    spec = Blocks(rows=5, mixed=2)
    first, again, other = order_of(spec, 100), order_of(spec, 100), order_of(spec, 100, seed=1)
    assert first == again != other
    assert [row // 5 for row in first] != sorted(row // 5 for row in first)
    assert {row // 5 for row in first[:10]} != {row // 5 for row in other[:10]}
    assert first[:10] != sorted(first[:10])


def test_one_row_a_block_and_all_blocks_at_a_time_are_full_shuffles() -> None:
    for spec in (Blocks(rows=1, mixed=100), Blocks(rows=100, mixed=1)):
        assert sorted(order_of(spec, 100)) == list(range(100)) != order_of(spec, 100)
