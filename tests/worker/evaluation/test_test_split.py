"""The measurement at the end of a run: it resumes at any unit of work, and a stop leaves out what is not finished."""

import json
from functools import cache
from itertools import islice

import pytest
import safetensors.torch

from tests.small_trainings import (
    DIGITS_CNN,
    Document,
    Outcome,
    files_at,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.attempt.migrations import LATER
from worker.attempt.snapshot import POSITION, TENSORS, restore, snapshot, to_files
from worker.training.events import Finished
from worker.training.training import Training

# Units of this activation do not die, so that nothing is measured for the verdict after the test split.
LONG_END: Document = {
    **DIGITS_CNN,
    "architecture": {**DIGITS_CNN["architecture"], "activation": "leaky_relu"},
    "objective": {"loss": "cross_entropy", "adversarial": {"epsilon": 0.1, "steps": 2}},
    "evaluation": {"statistics": "population", "monte_carlo_samples": 2, "crops": {"scales": [8, 9]}},
}
# Three batches of the test split; 2 passes, 5 crops and 2 steps of the attack on each, and a pass over their outputs.
FINAL_UNITS = 3 + (3 * 2 + 3) + (3 * 5 + 3) + (3 * 2 + 3)
NAMES = ["test", "test_monte_carlo", "test_crops", "test_adversarial"]


@cache
def whole() -> Outcome:
    return run_to_end(make_training(LONG_END))


@cache
def units() -> int:
    """The units of work of the whole run, without the last, which is the end."""
    return len(list(make_training(LONG_END).run())) - 1


def first_final_unit() -> int:
    return units() - FINAL_UNITS


def at_final_unit(unit: int) -> Training:
    """A training that was saved and restored after so many units of its final measurement."""
    training = make_training(LONG_END)
    restore(training, stop_after(LONG_END, first_final_unit() + unit)[0])
    return training


def test_the_final_measurement_takes_these_units() -> None:
    training = at_final_unit(0)
    assert training.ending() == "epochs_done"
    assert training.final.names == NAMES
    assert len(list(training.run())) == FINAL_UNITS + 1


@pytest.mark.parametrize("unit", range(FINAL_UNITS + 1))
def test_a_run_that_is_killed_while_it_is_measured_repeats_nothing_and_ends_the_same(unit: int) -> None:
    files, logged = stop_after(LONG_END, first_final_unit() + unit)
    assert resume_to_end(LONG_END, files, logged) == whole()
    training = make_training(LONG_END)
    restore(training, files)
    assert len(list(training.run())) == FINAL_UNITS - unit + 1


def test_statistics_and_validation_resume_too() -> None:
    # An epoch has three steps and their logs, two batches of statistics, and eleven of validation.
    files = [stop_after(LONG_END, unit)[0] for unit in range(6, 6 + 2 + 11 + 1)]
    left = []
    for state in files:
        training = make_training(LONG_END)
        restore(training, state)
        left.append(len(list(training.run())))
    assert left == list(range(left[0], left[0] - len(left), -1))


@pytest.mark.parametrize(
    ("unit", "finished"), [(1, 0), (3, 0), (4, 1), (12, 1), (13, 2), (30, 2), (31, 3), (FINAL_UNITS - 1, 3)]
)
def test_a_stop_while_the_run_is_measured_leaves_out_what_is_not_finished(unit: int, finished: int) -> None:
    training = make_training(LONG_END)
    run = training.run()
    list(islice(run, first_final_unit() + unit))
    training.stop("stopped_by_user")
    [end] = run
    assert isinstance(end, Finished)
    assert end.ending == "stopped_by_user"
    assert list(end.left_out) == NAMES[finished:]
    assert {name for name in NAMES if f"{name}_loss" in end.metrics} == set(NAMES[:finished])
    assert end.metrics.items() <= whole().logged[-1]["metrics"].items()


def test_a_stop_while_the_run_trains_leaves_out_all_but_one_pass() -> None:
    training = make_training(LONG_END)
    run = training.run()
    next(run)
    training.stop("time_budget")
    *_, end = run
    assert isinstance(end, Finished)
    assert (end.ending, list(end.left_out)) == ("time_budget", NAMES[1:])
    assert "test_loss" in end.metrics


def test_a_state_saved_while_the_run_is_measured_is_a_copy() -> None:
    training = make_training(LONG_END)
    run = training.run()
    list(islice(run, first_final_unit() + 8))
    state = snapshot(training, {})
    before = to_files(state)
    list(run)
    assert to_files(state) == before


def test_a_state_of_an_earlier_version_measures_from_the_first_batch() -> None:
    files = files_at(LONG_END, step=6, validated=2)
    training = make_training(LONG_END)
    restore(training, without_later_parts(files))
    assert run_to_end(training).logged[-1] == whole().logged[-1]


def without_later_parts(files: dict[str, bytes]) -> dict[str, bytes]:
    """A state as it was before measurements were saved."""
    position = json.loads(files[POSITION])
    for name in LATER:
        del position["parts"][name]
    tensors = safetensors.torch.load(files[TENSORS])
    kept = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(f"parts.{x}." for x in LATER))
    }
    return {POSITION: json.dumps(position).encode(), TENSORS: safetensors.torch.save(kept)}
