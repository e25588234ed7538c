"""Columns of metrics, and thinning that keeps peaks."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.run import Event, EventType
from service.metrics import Row, collect_metrics, columns, thin_rows
from tests.fake_worker import FakeWorker
from tests.service.requests import create

VALUES = st.none() | st.floats(-1e6, 1e6)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=200).map(
    lambda pairs: [Row(step=step, a=a, b=b) for step, (a, b) in enumerate(pairs, start=1)]
)


@given(ROWS, st.integers(1, 60))
def test_thinned_rows_keep_extremes_ends_and_order(rows: list[Row], most: int) -> None:
    kept = thin_rows(rows, most)
    assert len(kept) <= max(most, 6)
    assert [row["step"] for row in kept] == sorted({row["step"] for row in kept if row["step"] is not None})
    for name in ("a", "b"):
        values = [row[name] for row in rows if row[name] is not None]
        shown = [row[name] for row in kept if row[name] is not None]
        assert not values or (min(values), max(values)) == (min(shown), max(shown))  # type: ignore[type-var]
    assert not rows or (kept[0], kept[-1]) == (rows[0], rows[-1])


def test_a_column_is_null_where_a_row_has_no_value() -> None:
    assert columns([{"step": 1, "b": 2.0}, {"step": 2, "a": 1.0}]) == {
        "step": (1, 2),
        "b": (2.0, None),
        "a": (None, 1.0),
    }


def an_event(seq: int, kind: EventType, **data: Any) -> Event:
    return Event(seq=seq, time="", attempt=1, type=kind, data=data)


def test_a_thinned_answer_says_how_many_steps_there_are() -> None:
    events = [an_event(step, "step", step=step, train_loss=1 / step) for step in range(1, 1001)]
    metrics = collect_metrics(events, names=[], max_points=10)
    assert (metrics.total.steps, metrics.total.epochs) == (1000, 0)
    assert len(metrics.steps["step"]) <= 10


def test_steps_are_thinned_and_epochs_are_not(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api, epochs=5000)
    worker.claim(run)
    worker.log_steps(run, 1, 200)
    worker.log_many(run, [1 / epoch for epoch in range(1, 3001)])
    metrics = api.get(f"/v1/runs/{run}/metrics?max_points=50").json()
    assert metrics["total"] == {"epochs": 3000, "steps": 200}
    assert metrics["epochs"]["epoch"] == list(range(1, 3001))
    assert sum(metrics["epochs"]["seconds"]) == 3000
    assert len(metrics["steps"]["step"]) <= 50
    table = api.get(f"/v1/runs/{run}/metrics?max_points=50&format=csv").text.splitlines()
    assert sum(line.startswith("epoch,") for line in table) == 3000


def test_a_diagnostic_becomes_columns_with_a_value_for_each_layer() -> None:
    events = [
        an_event(epoch, "diagnostic", name="variance_shift", epoch=epoch, step=9 * epoch, ratio=[1.0, None])
        for epoch in (1, 2)
    ]
    columns = {"epoch": (1, 2), "step": (9, 18), "ratio": ([1.0, None], [1.0, None])}
    assert collect_metrics(events, names=[], max_points=1).diagnostics == {"variance_shift": columns}
    assert collect_metrics(events, names=["saturation"], max_points=None).diagnostics == {}
    assert collect_metrics(events, names=["variance_shift"], max_points=None).diagnostics == {"variance_shift": columns}
