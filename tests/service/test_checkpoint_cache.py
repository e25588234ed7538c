"""The checkpoints that are remembered for a moment."""

import pytest

from service import checkpoint_cache
from service.checkpoint_cache import KEEP_SECONDS, CheckpointCache
from tests.runs.examples import a_checkpoint

CHECKPOINT = a_checkpoint(2).checkpoint


def test_a_checkpoint_is_remembered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoint_cache, "monotonic", lambda: now)
    cache = CheckpointCache()
    cache.put("run", "2", CHECKPOINT)
    assert cache.get("run", "2") == CHECKPOINT
    assert cache.get("run", "3") is None
    now += KEEP_SECONDS
    assert cache.get("run", "2") is None


def test_few_checkpoints_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_cache, "MAX_CHECKPOINTS", 2)
    cache = CheckpointCache()
    for run in ("first", "second", "third"):
        cache.put(run, "2", CHECKPOINT)
    assert [cache.get(run, "2") is None for run in ("first", "second", "third")] == [True, False, False]
