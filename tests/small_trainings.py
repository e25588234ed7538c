"""Helpers for small trainings on the built-in data sets."""

import atexit
import hashlib
import os
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.settings import Settings
from tests import mixed_table
from worker.attempt.snapshot import restore, snapshot, to_files
from worker.attempt.sources import Source
from worker.data.dataset import Data, load_data
from worker.device import open_device
from worker.evaluation.evaluate import Metrics, SplitName
from worker.training.events import EpochLog, Finished, NonFinite, TrainingEvent
from worker.training.training import Training

Document = dict[str, Any]
Files = dict[str, bytes]


def open_test_device() -> torch.device:
    """Returns the device that BAKEHOUSE_TEST_DEVICE names (`make gpu`), by default the CPU."""
    name = os.environ.get("BAKEHOUSE_TEST_DEVICE", "cpu")
    # The CPU is not opened, because that would limit the memory of the whole test process.
    return torch.device(name) if name == "cpu" else open_device(Settings(device=name))


DEVICE = open_test_device()

# It has 144 training rows, three steps per epoch, and every kind of state: moments, moving averages, masks.
DIGITS_CNN: Document = {
    "dataset": {"id": "digits", "validation_fraction": 0.9},
    "architecture": {"type": "cnn", "channels": [8], "hidden": []},
    "norm": "batch_norm",
    "dropout": 0.2,
    "augmentation": [{"type": "input_noise"}],
    "batch_size": 64,
    "epochs": 2,
}
IRIS: Document = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [8]}, "batch_size": 32, "epochs": 3}
DIABETES: Document = {**IRIS, "dataset": "diabetes", "batch_size": 128}


MIXED: Document = {**IRIS, "dataset": {"id": mixed_table.NAME, "target": "late"}}
"""A table with categories, dates and empty cells."""

SOURCES: dict[str, Source] = {}
"""Models that other recipes of a test build on, by the digest of their weights."""


def train_source(document: Document) -> Document:
    """Trains a recipe, and returns the reference by which another recipe names its best weights."""
    training = make_training(document)
    run_to_end(training)
    assert training.best_weights is not None
    sha256 = hashlib.sha256(safetensors.torch.save(training.best_weights)).hexdigest()
    SOURCES[sha256] = Source(training.plan, training.best_weights)
    return {"run": "run_source222222", "epoch": training.stopper.best_epoch, "sha256": sha256}


def sources(recipe: Recipe) -> dict[str, Source]:
    """Returns the sources that a recipe names."""
    return {sha256: SOURCES[sha256] for item in checkpoints_in(recipe).values() if (sha256 := item.sha256)}


def folder_of(name: str) -> Path:
    """Returns the packed folder of a built-in set, or of the table with columns of all kinds."""
    return mixed_folder() if name == mixed_table.NAME else BUILTIN / name


@cache
def mixed_folder() -> Path:
    folder = TemporaryDirectory()
    # The folder is removed when the process ends.
    atexit.register(folder.cleanup)
    return mixed_table.write(Path(folder.name))


def make_small_plan(document: Document) -> Plan:
    """Returns the plan of a recipe on a built-in data set."""
    recipe = read_recipe(document)
    checkpoints = {sha256: source.plan for sha256, source in sources(recipe).items()}
    return make_plan(recipe, read_card(folder_of(recipe.dataset.id)), checkpoints)


def load_small_data(plan: Plan) -> Data:
    """Returns the data of a plan."""
    return load_data(plan, folder_of(plan.recipe.dataset.id), DEVICE)


def make_training(document: Document) -> Training:
    """Returns a training that has not begun."""
    plan = make_small_plan(document)
    weights = {sha256: source.weights for sha256, source in sources(plan.recipe).items()}
    return Training(plan, load_small_data(plan), DEVICE, weights)


@dataclass(frozen=True)
class Outcome:
    """The results of a training, in comparable form."""

    logged: tuple[dict[str, Any], ...]
    """Events of all steps and epochs and of the end, without seconds."""
    weights: dict[str, bytes]
    best_weights: dict[str, bytes]
    last_weights: dict[str, bytes]
    state: dict[str, Any]
    diverged_at: int | None = None


def run_to_end(training: Training, logged: tuple[TrainingEvent, ...] = ()) -> Outcome:
    """Runs a training to its end; `logged` has the events before."""
    events, diverged_at = list(logged), None
    try:
        events.extend(event for event in training.run() if event is not None)
    except NonFinite as error:
        diverged_at = error.step
    last = events[-1] if events else None
    state = snapshot(training, {}).position
    if state["last"]:
        del state["last"]["seconds"]
    return Outcome(
        logged=tuple(map(comparable, events)),
        weights=bits(training.weights()),
        best_weights=bits(training.best_weights or {}),
        last_weights=bits(last.last_weights) if isinstance(last, Finished) else {},
        state=state,
        diverged_at=diverged_at,
    )


def comparable(event: TrainingEvent) -> dict[str, Any]:
    """Returns the fields of an event without seconds and weights."""
    numbers = asdict(event)
    numbers.pop("seconds", None)
    if isinstance(event, Finished):
        del numbers["last"]["seconds"], numbers["last_weights"]
    return numbers


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """Returns the bytes of each tensor."""
    return {name: tensor.cpu().numpy().tobytes() for name, tensor in tensors.items()}


def stop_after(document: Document, unit: int) -> tuple[Files, tuple[TrainingEvent, ...]]:
    """Trains for `unit` units of work; returns the training's files and events."""
    training = make_training(document)
    logged = tuple(item for item in islice(training.run(), unit) if item is not None)
    logged += tuple(training.read())
    return to_files(snapshot(training, {})), logged


def files_at(document: Document, *, step: int, validated: int) -> Files:
    """Trains at least up to a step and a number of validated epochs; returns the training's files."""
    training = make_training(document)
    for _ in training.run():
        if training.step >= step and training.epochs_done >= validated:
            break
    list(training.read())
    return to_files(snapshot(training, {}))


def resume_to_end(document: Document, files: Files, logged: tuple[TrainingEvent, ...] = ()) -> Outcome:
    """Restores the files in a new training and runs it to its end."""
    training = make_training(document)
    restore(training, files)
    return run_to_end(training, logged)


def epochs_of(training: Training) -> Iterator[EpochLog]:
    """Runs a training to its end; yields the log of each epoch."""
    return (item for item in training.run() if isinstance(item, EpochLog))


def step_with(training: Training, gradients: dict[str, Tensor]) -> None:
    """Makes an optimizer step as the loop does, for a loss with these gradients (zero for the other parameters)."""
    parameters = dict(training.model.named_parameters())
    zero = torch.zeros(())

    def loss(inputs: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        terms = [(item * gradients.get(name, zero)).sum() for name, item in parameters.items()]
        return inputs, torch.stack(terms).sum()

    training.take_step.criterion = lambda _, inputs, targets, __: loss(inputs, targets)
    training.update(torch.zeros(1, 1), torch.zeros(1))


def exhaust(measuring: Generator[None, None, Metrics]) -> tuple[int, Metrics]:
    """Runs a measurement to its end; returns how often it yielded, and the metrics."""
    yields = 0
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            metrics: Metrics = end.value
            return yields, metrics
        yields += 1


def measure_split(training: Training, split: SplitName) -> Metrics:
    """Measures the present weights on a split."""
    rows = training.data.validation if split == "validation" else training.data.test
    return exhaust(training.measure(training.model, rows, split))[1]


def loss_of(training: Training, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the outputs and the objective of a batch at the present step."""
    step = training.take_step
    return step.criterion(step.predict, inputs, targets, training.step)
