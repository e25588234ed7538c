"""When waiting runs start: against a simulation of the workers, and from what a store knows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.commands import LogEvents
from bakehouse.runs.pace import Pace, read_pace
from bakehouse.runs.run import Progress
from bakehouse.runs.store import Store
from tests.fake_worker import FakeWorker
from tests.runs.examples import a_run, a_worker

free_times = st.lists(st.floats(0, 1e4), min_size=1, max_size=6)


def simulated(free: list[float], mean: float, ahead: int) -> float:
    """The start of a run if each worker that is free takes the next one."""
    free = sorted(free)
    for _ in range(ahead):
        free = sorted([free[0] + mean, *free[1:]])
    return free[0]


@given(free_times, st.floats(0.1, 1e3), st.integers(0, 60))
def test_a_run_starts_when_those_ahead_have_their_workers(free: list[float], mean: float, ahead: int) -> None:
    longest = max(free) + (ahead + 1) * mean
    assert Pace(tuple(free), mean).starts_in(ahead) == pytest.approx(simulated(free, mean, ahead), abs=longest / 500)


def test_nothing_is_predicted_while_a_worker_is_idle_or_a_run_has_no_estimated_time() -> None:
    known = (json.dumps({"eta_seconds": 60.0}), "20.0")
    assert read_pace([known], 1) == Pace((60.0,), 80.0)
    assert read_pace([known], 2) is None
    assert read_pace([], 0) is None
    assert read_pace([known, (json.dumps({"eta_seconds": None}), "1.0")], 2) is None
    # A run may have been deleted meanwhile.
    assert read_pace([known, (None, None)], 1) == Pace((60.0,), 80.0)


def test_a_waiting_run_says_when_it_starts(worker: FakeWorker) -> None:
    store: Store = worker.store
    store.put_worker(a_worker("w"), ttl=60)
    runs = [store.create(a_run()).run.id for _ in range(4)]
    worker.claim(runs[0])
    store.command(runs[0], LogEvents(runs[0], (), Progress(epochs=9, steps=90, eta_seconds=180.0)))
    places = store.places(runs)
    assert places[0] is None
    seconds = [place.starts_in_seconds for place in places if place]
    assert seconds == [pytest.approx(each, rel=0.01) for each in (180, 360, 540)]
    shown = store.get(runs[1]).queue
    assert shown is not None
    assert shown.reason == "waits for a free worker, next; starts in about 3 min"
