"""A run that is killed anywhere and resumed ends with the bits of the run that was not killed."""

import json
import math
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Literal

import pytest
import safetensors.torch
import torch

from tests.small_trainings import (
    DIGITS_CNN,
    Document,
    Files,
    Outcome,
    files_at,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.attempt.snapshot import POSITION, TENSORS, read_environment, restore, snapshot, to_files
from worker.training.events import EpochLog
from worker.training.metrics import StepLog

STOPS_EARLY = {**DIGITS_CNN, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 30, "early_stopping": 2, "seed": 2}
BEST, LAST = 3, 5
"""The best and the last epoch of STOPS_EARLY."""
UNITS = 98
"""Units of work of STOPS_EARLY, including the evaluation on the test split."""

Cut = Literal["new", "after the best", "at the end"]
NEW: Cut = "new"
MIDDLE: Cut = "after the best"
STEPS: dict[Cut, tuple[int, int]] = {"after the best": (11, 3), "at the end": (15, 5)}
"""Optimizer steps and epochs after which a state is saved; the first is in the middle of an epoch."""


@cache
def whole() -> Outcome:
    return run_to_end(make_training(STOPS_EARLY))


def test_the_recipe_stops_early_and_after_its_best() -> None:
    training = make_training(STOPS_EARLY)
    assert len(list(training.run())) == UNITS
    assert whole().logged[-1]["ending"] == "early_stopped"
    assert (training.stopper.best_epoch, training.epochs_done) == (BEST, LAST)


@pytest.mark.parametrize("unit", [*range(0, UNITS - 12, 4), *range(UNITS - 12, UNITS)])
def test_killed_after_any_unit_of_work(unit: int) -> None:
    assert resume_to_end(STOPS_EARLY, *stop_after(STOPS_EARLY, unit)) == whole()


# A resumed run repeats a validation from its first unit; it has about ten.
@pytest.mark.parametrize("every", [13, 16, 35])
def test_killed_again_and_again(every: int) -> None:
    files, logged = stop_after(STOPS_EARLY, 1)
    while True:
        training = make_training(STOPS_EARLY)
        restore(training, files)
        if training.ending() is not None:
            break
        logged += tuple(item for item in islice(training.run(), every) if isinstance(item, StepLog | EpochLog))
        logged += tuple(training.read())
        files = to_files(snapshot(training, {}))
    assert run_to_end(training, logged) == whole()


@cache
def complete(cut: Cut) -> Files:
    if cut == "new":
        return to_files(snapshot(make_training(STOPS_EARLY), {}))
    step, validated = STEPS[cut]
    return files_at(STOPS_EARLY, step=step, validated=validated)


@cache
def resumed(cut: Cut) -> Outcome:
    """The outcome of a run that resumes from a whole state."""
    return resume_to_end(STOPS_EARLY, complete(cut))


def ends_differently(cut: Cut, files: Files) -> bool:
    """Whether a run that resumes from these files fails, or differs from a run that resumes from the whole state."""
    try:
        return resume_to_end(STOPS_EARLY, files) != resumed(cut)
    except (KeyError, ZeroDivisionError):
        return True
    except RuntimeError as error:
        return "Missing key(s)" in str(error)


def group_of(name: str) -> str:
    """The section and kind of a tensor without its parameter, such as `optimizer.exp_avg`."""
    section, *_, kind = name.split(".")
    return f"{section}.{kind}"


def without_tensors(cut: Cut, group: str) -> Files:
    """The state, where a group of tensors is replaced by that of a new training, or left out if that has none."""
    saved = safetensors.torch.load(complete(cut)[TENSORS])
    initial_state = safetensors.torch.load(complete(NEW)[TENSORS])
    initial = {name: tensor for name, tensor in initial_state.items() if group_of(name) == group}
    kept = {name: tensor for name, tensor in saved.items() if group_of(name) != group}
    return {**complete(cut), TENSORS: safetensors.torch.save(kept | initial)}


def groups() -> set[str]:
    return {group_of(name) for name in safetensors.torch.load(complete(MIDDLE)[TENSORS])}


# A new training fits these on the data again.
REFITTED = {"model.shift", "model.scale"}


@pytest.mark.parametrize("group", sorted(groups() - REFITTED))
def test_no_group_of_tensors_can_be_left_out(group: str) -> None:
    assert ends_differently(MIDDLE, without_tensors(MIDDLE, group))


@pytest.mark.parametrize("section", ["model", "optimizer", "best"])
def test_no_section_can_be_left_out(section: str) -> None:
    saved = safetensors.torch.load(complete(MIDDLE)[TENSORS])
    kept = {name: tensor for name, tensor in saved.items() if not name.startswith(f"{section}.")}
    assert len(kept) < len(saved)
    assert ends_differently(MIDDLE, {**complete(MIDDLE), TENSORS: safetensors.torch.save(kept)})


def fields(position: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths into the position; the environment is not needed to resume."""
    for name in position.keys() - {"made_by"}:
        if name == "parts":
            # The other parts have nothing to remember in this recipe.
            yield from ((name, part) for part in ("metrics", "stopper"))
        else:
            yield (name,)


def without_field(cut: Cut, path: tuple[str, ...]) -> Files:
    """The state, where one field of the position is replaced by that of a new training."""
    saved = json.loads(complete(cut)[POSITION])
    inside, initial = saved, json.loads(complete(NEW)[POSITION])
    for name in path[:-1]:
        inside, initial = inside[name], initial[name]
    inside[path[-1]] = initial[path[-1]]
    return {**complete(cut), POSITION: json.dumps(saved).encode()}


@pytest.mark.parametrize("path", sorted(fields(json.loads(complete(MIDDLE)[POSITION]))), ids=".".join)
def test_no_field_of_the_position_can_be_left_out(path: tuple[str, ...]) -> None:
    assert any(ends_differently(cut, without_field(cut, path)) for cut in STEPS)


@pytest.mark.parametrize(
    "optimizer", ["adam", {"type": "sgd", "momentum": 0.9}, {"type": "rmsprop", "momentum": 0.9, "centered": True}]
)
def test_moments_have_the_strides_of_channels_last_filters(optimizer: Any) -> None:
    document: Document = {**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [4, 8]}, "optimizer": optimizer}
    training = make_training(document)
    files, logged = stop_after(document, 5)
    restore(training, files)
    [_, deep] = [item for item in training.take_step.parameters if item.ndim == 4]
    assert not deep.is_contiguous()
    moments = [tensor for tensor in training.take_step.optimizer.state[deep].values() if tensor.shape == deep.shape]
    assert moments
    assert all(moment.stride() == deep.stride() for moment in moments)
    assert run_to_end(training, logged) == run_to_end(make_training(document))


def test_a_state_is_a_copy() -> None:
    training = make_training(STOPS_EARLY)
    run = training.run()
    list(islice(run, 30))
    state = snapshot(training, {})
    before = to_files(state)
    list(run)
    assert to_files(state) == before


def test_a_state_holds_its_environment_and_infinities() -> None:
    training = make_training(STOPS_EARLY)
    training.metrics.loss_sum = math.inf
    files = to_files(snapshot(training, {"threads": 1}))
    assert read_environment(files) == {"threads": 1}
    resumed_training = make_training(STOPS_EARLY)
    restore(resumed_training, files)
    assert resumed_training.metrics.loss_sum == math.inf


def test_a_resumed_run_does_not_depend_on_the_global_generator() -> None:
    torch.manual_seed(123)
    assert resume_to_end(STOPS_EARLY, *stop_after(STOPS_EARLY, 10)) == whole()


@pytest.mark.parametrize(("batch_size", "step"), [(5, 3), (7, 1), (13, 3)])
def test_batches_that_end_anywhere_in_memory_give_the_same_bits(batch_size: int, step: int) -> None:
    # Kernels choose their path by the alignment of a batch in its block: the block must begin where it always does.
    architecture = {"type": "mlp", "hidden": [8]}
    document = {"dataset": "breast_cancer", "architecture": architecture, "batch_size": batch_size, "epochs": 2}
    assert resume_to_end(document, *stop_after(document, step)) == run_to_end(make_training(document))
