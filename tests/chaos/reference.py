"""The results of a recipe whose training nothing disturbs, in the form in which the public API shows them."""

import json
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bakehouse.runs.record import event_data
from tests.chaos.recipes import SOURCE, Document
from tests.small_trainings import SOURCES, make_training
from worker.attempt.sources import Source
from worker.training.events import DiagnosticLog, EpochLog, Finished
from worker.training.metrics import StepLog

Data = dict[str, Any]


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


def train_undisturbed(document: Document) -> Results:
    """Trains a recipe in this process, with one thread as the workers do."""
    torch.set_num_threads(1)
    training = make_training(document)
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


def register_source(sha256: str) -> Results:
    """Trains the source of other recipes in this process and registers its best weights under the digest that the
    service gave them; returns its results."""
    training = make_training(SOURCE)
    for _ in training.run():
        pass
    assert training.best_weights is not None
    SOURCES[sha256] = Source(training.plan, training.best_weights)
    return train_undisturbed(SOURCE)


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
