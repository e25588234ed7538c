"""Predictions of how long trainings take: what they contain, what they can never do, and how they are written."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.plurals import range_text
from bakehouse.runs.durations import (
    Capacity,
    Duration,
    duration_text,
    makespan,
    predict,
    predict_total,
    total_text,
)
from bakehouse.runs.measurements import Measurement, Work

WORK = Work(
    ingredients="plain",
    architecture="mlp",
    dataset="digits",
    epochs=10,
    batches=20,
    rows=1000,
    operations=3_000_000,
    early_stopping=None,
    budget_seconds=None,
)
counts = st.integers(1, 10**9)
works = st.builds(
    Work,
    ingredients=st.sampled_from(("plain", "with dropout")),
    architecture=st.sampled_from(("mlp", "cnn")),
    dataset=st.just("digits"),
    epochs=st.integers(1, 1000),
    batches=counts,
    rows=counts,
    operations=counts,
    early_stopping=st.none(),
    budget_seconds=st.none(),
)
seconds = st.floats(1e-6, 1e4)
measured_works = st.builds(
    Measurement, run=st.just("run_1"), device=st.just("cpu"), work=works, epoch_seconds=seconds, other_seconds=seconds
)
lists = st.lists(measured_works, min_size=1, max_size=6)
durations = st.lists(seconds, max_size=20)


def measure(work: Work = WORK, *, epoch: float = 2.0, other: float = 1.0, device: str = "cpu") -> Measurement:
    return Measurement(run="run_1", device=device, work=work, epoch_seconds=epoch, other_seconds=other)


def predicted(work: Work, *measurements: Measurement) -> Duration:
    duration = predict(work, measurements)
    assert duration is not None
    return duration


@given(works, lists)
def test_a_range_has_a_lower_and_a_higher_end(work: Work, measurements: list[Measurement]) -> None:
    duration = predicted(work, *measurements)
    assert 0 < duration.low <= duration.high


@given(works, seconds, seconds)
def test_a_training_that_was_measured_takes_as_long_again(work: Work, epoch: float, other: float) -> None:
    duration = predicted(work, measure(work, epoch=epoch, other=other))
    assert duration.low < other + work.epochs * epoch < duration.high
    assert duration.basis == "same_ingredients"


@given(works, lists, st.sampled_from(("epochs", "batches", "rows", "operations")), counts)
def test_more_work_never_takes_less_time(work: Work, measurements: list[Measurement], amount: str, more: int) -> None:
    before = predicted(work, *measurements)
    after = predicted(work.model_copy(update={amount: getattr(work, amount) + more}), *measurements)
    # Sums of floats are rounded.
    assert after.low >= before.low * (1 - 1e-9)
    assert after.high >= before.high * (1 - 1e-9)


@given(works, works, seconds, seconds, seconds)
def test_whatever_a_batch_a_row_and_an_operation_cost_the_range_contains_the_time(
    known: Work, asked: Work, batch: float, row: float, operation: float
) -> None:
    def epoch(work: Work) -> float:
        return batch * work.batches + row * work.rows + operation * work.operations

    duration = predicted(asked, measure(known, epoch=epoch(known), other=1e-9))
    assert duration.low <= asked.epochs * epoch(asked) + 1e-9 <= duration.high * (1 + 1e-9)


def test_the_measurements_that_are_most_alike_are_used() -> None:
    other = WORK.model_copy(update={"ingredients": "other"})
    cnn = other.model_copy(update={"architecture": "cnn"})
    found = []
    measurements: list[Measurement] = []
    for work in (cnn, other, WORK):
        measurements.append(measure(work))
        found.append(predicted(WORK, *measurements))
    assert [each.basis for each in found] == ["other_architectures", "same_architecture", "same_ingredients"]
    assert [each.measurements for each in found] == [1, 1, 1]
    widths = [each.high / each.low for each in found]
    assert widths == sorted(widths, reverse=True)


def test_measurements_that_contradict_each_other_widen_the_range() -> None:
    calm = predicted(WORK, *(measure(epoch=epoch) for epoch in (2.0, 2.02, 2.04, 2.06)))
    busy = predicted(WORK, *(measure(epoch=epoch) for epoch in (2.0, 3.0, 6.0, 9.0)))
    assert calm.high / calm.low < 3 < busy.high / busy.low
    assert busy.low < 21 < 91 < busy.high


def test_the_lower_end_counts_on_early_stopping_as_far_as_it_ended_runs_that_are_alike() -> None:
    work = WORK.model_copy(update={"early_stopping": '{"type":"patience"}', "epochs": 100})
    stopped = measure(work).model_copy(update={"stopped_after": 20})
    whole = predicted(work, measure(work))
    short = predicted(work, stopped)
    assert short.high == whole.high
    assert short.low == pytest.approx(whole.low * (1 + 20 * 2) / (1 + 100 * 2))
    # Another criterion may stop later.
    other = work.model_copy(update={"early_stopping": '{"type":"progress_quotient"}'})
    assert predicted(other, stopped).low == whole.low
    assert duration_text(whole, work).endswith("for 100 epochs at most; early stopping may end it sooner")
    assert duration_text(whole, WORK) == range_text(whole.low, whole.high)


def test_a_time_budget_limits_both_ends() -> None:
    duration = predicted(WORK.model_copy(update={"budget_seconds": 5.0}), measure())
    assert duration.low == 5.0
    assert 5.0 < duration.high < 8.0


def test_the_range_holds_for_each_device_that_is_here() -> None:
    measurements = (measure(), measure(epoch=0.1, device="gpu"), measure(epoch=900.0, device="gone"))
    slow = Capacity(("cpu",), measurements).predict(WORK)
    fast = Capacity(("gpu",), measurements).predict(WORK)
    both = Capacity(("gpu", "cpu", "cpu"), measurements).predict(WORK)
    assert slow is not None
    assert fast is not None
    assert both == replace(slow, low=fast.low, measurements=2)
    assert Capacity(("new",), measurements).predict(WORK) is None
    assert Capacity(("new",), measurements).reason() == "nothing was measured yet on these workers"
    assert Capacity((), measurements).reason() == "no worker is running"


@given(durations, st.integers(1, 8))
def test_many_runs_take_between_an_even_share_and_one_run_more(times: list[float], workers: int) -> None:
    end = makespan(times, workers)
    assert end >= max(sum(times) / workers, max(times, default=0.0)) * (1 - 1e-9)
    assert end <= (sum(times) / workers + max(times, default=0.0)) * (1 + 1e-9)
    assert makespan(times, workers + 1) <= end * (1 + 1e-9)


def test_the_total_is_known_only_if_each_run_is() -> None:
    minute = Duration(50.0, 70.0, "same_ingredients", 3)
    assert predict_total([minute] * 5, 2) == (150.0, 210.0)
    assert predict_total([minute, None], 2) is None
    assert predict_total([minute], 0) is None
    assert total_text((700.0, 1140.0), 2) == "12 to 19 min on the 2 workers that are here"
    assert total_text((700.0, 1140.0), 1) == "12 to 19 min on the worker that is here"
