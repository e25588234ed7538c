"""A run that is killed anywhere and goes on ends with the bits of the run that was not."""

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
    PICTURES,
    Document,
    Files,
    Outcome,
    finished,
    gone_on,
    interrupted,
    interrupted_at,
    training_of,
)
from worker.attempt.snapshot import POSITION, TENSORS, made_by, restore, snapshot, to_files
from worker.training.events import EpochLog
from worker.training.metrics import StepLog

STOPS_EARLY = {**PICTURES, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 30, "early_stopping": 2}
BEST, LAST = 6, 8
"""Its best and its last epoch."""
UNITS = 148
"""Of work, with the evaluation of the best on the test split."""

Cut = Literal["new", "after the best", "at the end"]
NEW: Cut = "new"
MIDDLE: Cut = "after the best"
STEPS: dict[Cut, tuple[int, int]] = {"after the best": (20, 6), "at the end": (24, 8)}
"""Optimizer steps and epochs after which a state is looked at; the first is within an epoch."""


@cache
def whole() -> Outcome:
    return finished(training_of(STOPS_EARLY))


def test_the_recipe_stops_early_and_after_its_best() -> None:
    training = training_of(STOPS_EARLY)
    assert len(list(training.run())) == UNITS
    assert whole().told[-1]["ending"] == "early_stopped"
    assert (training.stopper.best_epoch, training.epochs_done) == (BEST, LAST)


@pytest.mark.parametrize("unit", [*range(0, UNITS - 12, 4), *range(UNITS - 12, UNITS)])
def test_killed_after_any_unit_of_work(unit: int) -> None:
    assert gone_on(STOPS_EARLY, *interrupted(STOPS_EARLY, unit)) == whole()


# A validation takes ten units or so and begins anew.
@pytest.mark.parametrize("every", [13, 16, 35])
def test_killed_again_and_again(every: int) -> None:
    files, told = interrupted(STOPS_EARLY, 1)
    while True:
        training = training_of(STOPS_EARLY)
        restore(training, files)
        if training.ending() is not None:
            break
        told += tuple(item for item in islice(training.run(), every) if isinstance(item, StepLog | EpochLog))
        told += tuple(training.read())
        files = to_files(snapshot(training, {}))
    assert finished(training, told) == whole()


@cache
def complete(cut: Cut) -> Files:
    if cut == "new":
        return to_files(snapshot(training_of(STOPS_EARLY), {}))
    step, validated = STEPS[cut]
    return interrupted_at(STOPS_EARLY, step=step, validated=validated)


@cache
def rest(cut: Cut) -> Outcome:
    """What a run that goes on tells."""
    return gone_on(STOPS_EARLY, complete(cut))


def ends_otherwise(cut: Cut, files: Files) -> bool:
    """Whether a run that goes on from the files fails, or differs from one that goes on from all of them."""
    try:
        return gone_on(STOPS_EARLY, files) != rest(cut)
    except (KeyError, ZeroDivisionError):
        return True
    except RuntimeError as error:
        return "Missing key(s)" in str(error)


def group_of(name: str) -> str:
    """`optimizer.exp_avg`, of any parameter."""
    section, *_, kind = name.split(".")
    return f"{section}.{kind}"


def without_tensors(cut: Cut, group: str) -> Files:
    """The state with a group of tensors as a new training has them, if it has them."""
    saved, fresh = (safetensors.torch.load(complete(at)[TENSORS]) for at in (cut, NEW))
    initial = {name: tensor for name, tensor in fresh.items() if group_of(name) == group}
    kept = {name: tensor for name, tensor in saved.items() if group_of(name) != group}
    return {**complete(cut), TENSORS: safetensors.torch.save(kept | initial)}


def groups() -> set[str]:
    return {group_of(name) for name in safetensors.torch.load(complete(MIDDLE)[TENSORS])}


# Fitted on the data: a new training has them too.
REFITTED = {"model.shift", "model.scale"}


@pytest.mark.parametrize("group", sorted(groups() - REFITTED))
def test_no_group_of_tensors_can_be_left_out(group: str) -> None:
    assert ends_otherwise(MIDDLE, without_tensors(MIDDLE, group))


@pytest.mark.parametrize("section", ["model", "optimizer", "best"])
def test_no_section_can_be_left_out(section: str) -> None:
    saved = safetensors.torch.load(complete(MIDDLE)[TENSORS])
    kept = {name: tensor for name, tensor in saved.items() if not name.startswith(f"{section}.")}
    assert len(kept) < len(saved)
    assert ends_otherwise(MIDDLE, {**complete(MIDDLE), TENSORS: safetensors.torch.save(kept)})


def fields(position: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths into the position; what was made where is not needed to go on."""
    for name in position.keys() - {"made_by"}:
        if name in ("stopper", "meter"):
            yield from ((name, key) for key in position[name])
        else:
            yield (name,)


def without_field(cut: Cut, path: tuple[str, ...]) -> Files:
    """The state with one field of the position as a new training has it."""
    saved, fresh = (json.loads(complete(at)[POSITION]) for at in (cut, NEW))
    inside, initial = saved, fresh
    for name in path[:-1]:
        inside, initial = inside[name], initial[name]
    inside[path[-1]] = initial[path[-1]]
    return {**complete(cut), POSITION: json.dumps(saved).encode()}


@pytest.mark.parametrize("path", sorted(fields(json.loads(complete(MIDDLE)[POSITION]))), ids=".".join)
def test_no_field_of_the_position_can_be_left_out(path: tuple[str, ...]) -> None:
    assert any(ends_otherwise(cut, without_field(cut, path)) for cut in STEPS)


@pytest.mark.parametrize(
    "optimizer", ["adam", {"type": "sgd", "momentum": 0.9}, {"type": "rmsprop", "momentum": 0.9, "centered": True}]
)
def test_moments_have_the_strides_of_channels_last_filters(optimizer: Any) -> None:
    document: Document = {**PICTURES, "architecture": {"type": "cnn", "channels": [4, 8]}, "optimizer": optimizer}
    training = training_of(document)
    files, told = interrupted(document, 5)
    restore(training, files)
    [_, deep] = [item for item in training.take_step.parameters if item.ndim == 4]
    assert not deep.is_contiguous()
    moments = [tensor for tensor in training.take_step.optimizer.state[deep].values() if tensor.shape == deep.shape]
    assert moments
    assert all(moment.stride() == deep.stride() for moment in moments)
    assert finished(training, told) == finished(training_of(document))


def test_a_state_is_a_copy() -> None:
    training = training_of(STOPS_EARLY)
    run = training.run()
    list(islice(run, 30))
    state = snapshot(training, {})
    before = to_files(state)
    list(run)
    assert to_files(state) == before


def test_a_state_says_what_it_was_made_on_and_keeps_infinities() -> None:
    training = training_of(STOPS_EARLY)
    training.metrics.loss_sum = math.inf
    files = to_files(snapshot(training, {"threads": 1}))
    assert made_by(files) == {"threads": 1}
    again = training_of(STOPS_EARLY)
    restore(again, files)
    assert again.metrics.loss_sum == math.inf


def test_going_on_does_not_depend_on_what_was_drawn_before() -> None:
    torch.manual_seed(123)
    assert gone_on(STOPS_EARLY, *interrupted(STOPS_EARLY, 10)) == whole()


@pytest.mark.parametrize(("batch_size", "step"), [(5, 3), (7, 1), (13, 3)])
def test_batches_that_end_anywhere_in_memory_give_the_same_bits(batch_size: int, step: int) -> None:
    # Kernels choose their path by the alignment of a batch in its block: the block must begin where it always does.
    architecture = {"type": "mlp", "hidden": [8]}
    document = {"dataset": "breast_cancer", "architecture": architecture, "batch_size": batch_size, "epochs": 2}
    assert gone_on(document, *interrupted(document, step)) == finished(training_of(document))
