"""The stopwatch: what counts for an epoch, and what for the rest of an attempt."""

import pytest

from tests.runs.test_durations import WORK
from worker.attempt.stopwatch import Stopwatch


def test_the_delay_of_the_first_epoch_does_not_count_for_epochs() -> None:
    stopwatch = Stopwatch("run_1", "cpu", WORK, began=1.0)
    for end in (4.0, 5.0, 6.0):
        stopwatch.note_epoch(end)
    measured = stopwatch.measurement(6.5)
    assert measured.epoch_seconds == pytest.approx(1.0)
    assert measured.other_seconds == pytest.approx(3.5)


def test_a_single_epoch_is_measured_from_the_first_step() -> None:
    stopwatch = Stopwatch("run_1", "cpu", WORK, began=1.0)
    stopwatch.note_epoch(4.0)
    measured = stopwatch.measurement(4.5, stopped_after=1)
    assert (measured.epoch_seconds, measured.other_seconds, measured.stopped_after) == (3.0, 1.5, 1)


def test_a_long_training_is_measured_now_and_then() -> None:
    stopwatch = Stopwatch("run_1", "cpu", WORK, began=1.0)
    due = []
    for end in range(2, 32):
        stopwatch.note_epoch(end)
        if stopwatch.is_due(end):
            stopwatch.measurement(end)
            due.append(end)
    assert due == [10, 20, 30]
