"""The private state of a training process as files: safetensors and JSON, nothing pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from torch import Tensor

from worker.model.state_dict import named, to_cpu, under
from worker.training.optimizer import load_moments, moments
from worker.training.training import Training

TENSORS, POSITION = "state.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next step depends on and that the step's number does not determine."""

    step: int
    """Done so far, those before the run's own among them."""
    tensors: dict[str, Tensor]
    position: dict[str, Any]


def snapshot(training: Training, made_by: Mapping[str, Any]) -> Snapshot:
    """Copies on the CPU; `made_by` says on what they were made. Call `training.read()` before."""
    tensors = named("model", training.weights())
    tensors |= named("optimizer", to_cpu(moments(training.optimizer, training.parameters)))
    tensors |= named("best", training.best_weights or {})
    tensors |= named("kept", to_cpu(training.tensors()))
    return Snapshot(training.steps_done, tensors, {**training.state(), "made_by": dict(made_by)})


def to_files(snapshot: Snapshot) -> dict[str, bytes]:
    """The snapshot as it is kept."""
    # Private, and read back by the same parser: an epoch's metrics may be infinite.
    position = json.dumps(snapshot.position, sort_keys=True).encode()
    return {TENSORS: safetensors.torch.save(snapshot.tensors), POSITION: position}


def made_by(files: Mapping[str, bytes]) -> dict[str, Any]:
    """On what the state was made."""
    found: dict[str, Any] = json.loads(files[POSITION])["made_by"]
    return found


def restore(training: Training, files: Mapping[str, bytes]) -> None:
    """Takes up a state in a training of the same plan."""
    tensors = safetensors.torch.load(files[TENSORS])
    training.model.load_state_dict(under("model", tensors))
    training.best_weights = under("best", tensors) or None
    load_moments(training.optimizer, training.parameters, under("optimizer", tensors))
    kept = under("kept", tensors)
    training.load_state(json.loads(files[POSITION]), {name: under(name, kept) for name in training.kept})
