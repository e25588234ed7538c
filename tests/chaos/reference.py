"""The results of a recipe whose training nothing disturbs, in the form in which the public API shows them."""

import json
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bakehouse.runs.record import event_data
from tests.chaos.recipes import SOURCE, SOURCE_KIND, Document, kinds
from tests.small_trainings import make_training, train_source
from worker.training.events import DiagnosticLog, EpochLog, Finished
from worker.training.metrics import StepLog

Data = dict[str, Any]

PROCESSES = 2


@dataclass(frozen=True)
class Results:
    """The results that a run must have however often it was interrupted."""

    steps: list[Data]
    epochs: list[Data]
    diagnostics: list[Data]
    best: dict[str, bytes]
    last: dict[str, bytes]
    metrics: Data
    reason: str


def train_all(names: Sequence[str], *, length: float) -> "dict[str, Future[Results]]":
    """Begins to train recipes of these kinds, undisturbed, in two further processes; returns what they will give."""
    pool = ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))
    results = {name: pool.submit(train_undisturbed, name, length) for name in names}
    # Ends the processes when they have done all.
    pool.shutdown(wait=False)
    return results


def train_undisturbed(kind: str, length: float) -> Results:
    """Trains a recipe of a kind in this process, with one thread as the workers do."""
    torch.set_num_threads(1)
    # The run and the digest that a recipe names for its source do not change its results.
    training = make_training(SOURCE if kind == SOURCE_KIND else kinds(source(), length=length)[kind])
    events = [event for event in training.run() if event is not None]
    (finished,) = (event for event in events if isinstance(event, Finished))
    epochs = [event for event in events if isinstance(event, EpochLog)]
    return Results(
        steps=[step_data(event) for event in events if isinstance(event, StepLog)],
        epochs=[epoch_data(event) for event in epochs],
        diagnostics=[diagnostic_data(event) for event in events if isinstance(event, DiagnosticLog)],
        best=bits(training.best_weights or {}),
        last=bits(finished.last_weights),
        metrics=as_json({**epochs[-1].metrics, **finished.metrics}),
        reason=finished.ending,
    )


@cache
def source() -> Document:
    """Trains the source of other recipes; returns the reference by which they name its weights."""
    return train_source(SOURCE)


def step_data(event: StepLog) -> Data:
    return as_json({"step": event.step, "epoch": event.epoch, "train_loss": event.loss, "lr": event.lr})


def epoch_data(event: EpochLog) -> Data:
    details = {"lr": event.lr, "epochs_since_best": event.epochs_since_best, "is_best": event.is_best}
    return as_json({"epoch": event.epoch, "step": event.step, **event.metrics, **details})


def diagnostic_data(event: DiagnosticLog) -> Data:
    return as_json({"name": event.name, "epoch": event.epoch, "step": event.step, **event.values})


def as_json(data: Data) -> Data:
    """Returns the data as a client reads them."""
    read: Data = json.loads(json.dumps(event_data(data)))
    return read


def read_weights(content: bytes) -> dict[str, bytes]:
    """Returns the bits of each tensor of a safetensors file."""
    return bits(safetensors.torch.load(content))


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in tensors.items()}
