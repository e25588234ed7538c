"""Moments of pooled batches are those of all rows at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.model.moments import Moments


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), pixels=st.booleans(), seed=st.integers(0, 99))
def test_batches_of_any_size_give_what_all_rows_give(sizes: list[int], pixels: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (3, 2, 5) if pixels else (3,)
    batches = [50 + torch.randn(size, *shape, generator=generator, dtype=torch.float64) for size in sizes]
    moments = Moments()
    for batch in batches:
        moments.add(batch)
    rows = torch.cat(batches).transpose(0, 1).flatten(1).numpy()
    assert moments.mean.numpy() == pytest.approx(rows.mean(1))
    assert moments.variance(correction=0).numpy() == pytest.approx(rows.var(1), abs=1e-12)
    if rows.shape[1] > 1:
        assert moments.variance(correction=1).numpy() == pytest.approx(rows.var(1, ddof=1), abs=1e-12)
    assert moments.pooled() == pytest.approx((rows.mean(), rows.var()), abs=1e-12)


def test_the_variance_of_batch_means_counts() -> None:
    moments = Moments()
    for batch in (torch.full((2, 1), 1.0), torch.full((2, 1), 3.0)):
        moments.add(batch)
    assert moments.variance(correction=0).item() == np.var([1, 1, 3, 3]) == 1.0
