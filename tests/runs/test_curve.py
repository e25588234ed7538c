"""The small curve of a run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs import wire
from bakehouse.runs.commands import Cancel, Claim, EpochEntry, LogEvents, RequestAction
from bakehouse.runs.curve import LARGEST, MAX_POINTS, SHOWN_POINTS, Curve, at_end, extended, rounded, sparkline
from bakehouse.runs.record import Record
from bakehouse.runs.transitions import reduce, submit
from tests.runs.examples import a_run, an_owner

LOSS, ACCURACY = "validation_loss", "validation_accuracy"
values = st.lists(st.floats(allow_nan=True) | st.none(), max_size=200)
monitors = st.sampled_from([LOSS, ACCURACY])


def a_curve(metrics: list[float | None], monitor: str = LOSS) -> Curve:
    """The curve of these epochs, which come one at a time."""
    curve = Curve()
    for epoch, value in enumerate(metrics, start=1):
        curve = extended(curve, {epoch: value}, monitor)
    return curve


def test_up_to_24_epochs_have_a_point_each_and_none_is_hidden() -> None:
    assert sparkline(a_curve([1.0, float("nan"), 0.5, 0.25]), LOSS) == [99, None, 33, 0]
    assert sparkline(a_curve([float(epoch) for epoch in range(24)]), LOSS) == [round(99 * n / 23) for n in range(24)]


@pytest.mark.parametrize(("metrics", "levels"), [([], []), ([None], [None]), ([0.5], [0]), ([0.5, 0.5], [0, 0])])
def test_a_curve_without_differences_is_flat(metrics: list[float | None], levels: list[int | None]) -> None:
    assert sparkline(a_curve(metrics), LOSS) == levels


@given(values, monitors)
def test_a_long_curve_shows_the_best_value(metrics: list[float | None], monitor: str) -> None:
    curve = a_curve(metrics, monitor)
    shown = sparkline(curve, monitor)
    assert len(curve.values) <= MAX_POINTS
    assert len(shown) == min(len(curve.values), SHOWN_POINTS) >= min(len(metrics), SHOWN_POINTS)
    finite = [value for metric in metrics if (value := rounded(metric)) is not None]
    assert [level for level in shown if level is not None] == [] or finite
    if finite:
        assert (min if monitor == LOSS else max)(finite) in curve.values
        assert min(level for level in shown if level is not None) == 0
        assert max(level for level in shown if level is not None) in (0, LARGEST)


@given(values, monitors, st.integers(1, 100))
def test_epochs_that_come_together_give_the_same_curve(
    metrics: list[float | None], monitor: str, together: int
) -> None:
    curve = Curve()
    numbered = list(enumerate(metrics, start=1))
    for start in range(0, len(numbered), together):
        curve = extended(curve, dict(numbered[start : start + together]), monitor)
    assert curve == a_curve(metrics, monitor)


@given(values, monitors)
def test_the_curve_of_a_run_that_is_over_looks_as_before(metrics: list[float | None], monitor: str) -> None:
    curve = a_curve(metrics, monitor)
    ended = Curve.model_validate_json(json.dumps(at_end(curve, monitor).model_dump()))
    assert sparkline(ended, monitor) == sparkline(curve, monitor)


def test_a_run_that_an_earlier_version_began_has_no_values_of_its_first_epochs() -> None:
    assert sparkline(extended(Curve(), {4: 0.5, 5: 0.25}, LOSS), LOSS) == [None, None, None, 99, 0]


def test_the_record_of_a_run_keeps_the_curve_of_the_monitored_metric() -> None:
    record, _ = submit(a_run(), idempotency=None, now=0)
    assert record.curve is None
    record, _ = reduce(record, Claim(an_owner(), 60_000), 0)
    epochs = tuple(EpochEntry(epoch, epoch, {LOSS: 1 / epoch, "train_loss": 9.0}) for epoch in (1, 2, 3))
    record, _ = reduce(record, LogEvents("first", epochs), 0)
    # A resumed run repeats an epoch.
    record, _ = reduce(record, LogEvents("first", epochs[1:]), 0)
    assert record.curve == Curve(values=(1.0, 0.5, 0.333333))
    record, _ = reduce(record, RequestAction("cancel"), 0)
    record, _ = reduce(record, Cancel("first"), 0)
    assert record.curve == Curve(values=(99.0, 25.0, 0.0))


def test_a_record_of_an_earlier_version_has_no_curve() -> None:
    fields = wire.encode(None, submit(a_run(), idempotency=None, now=0)[0])
    del fields["curve"]
    decoded: Record = wire.decode(fields)
    assert decoded.curve is None
