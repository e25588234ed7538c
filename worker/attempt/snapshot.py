"""Converts the resume state of a training to files and back. The files are safetensors and JSON, never pickles."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import safetensors.torch
from torch import Tensor

from bakehouse.model import JsonObject
from worker.attempt.migrations import LATER, migrate_state
from worker.model.state_dict import strip_prefix, to_cpu, with_prefix
from worker.training.events import EpochLog
from worker.training.optimizer import load_moments, moments
from worker.training.training import Training

TENSORS = "state.safetensors"
POSITION = "state.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state that the next step depends on, except for what follows from the step's number."""

    step: int
    """Number of steps taken, including the steps of hints."""
    epoch: int
    """Number of epochs that are complete and measured."""
    units: int
    """Number of units of work since then that only measured."""
    tensors: dict[str, Tensor]
    position: JsonObject


def snapshot(training: Training, environment: Mapping[str, object]) -> Snapshot:
    """Copies the state of a training to the CPU; `environment` describes the data, device and versions.

    Call `training.read()` first, because losses that were not read yet are not part of the state.
    """
    parts = {name: part.state_dict() for name, part in training.stateful_parts().items()}
    tensors = with_prefix("model", training.weights())
    step = training.take_step
    tensors |= with_prefix("optimizer", to_cpu(moments(step.optimizer, step.parameters)))
    # A resumed run may find no better weights than these, so they belong to the state.
    tensors |= with_prefix("best", training.best_weights or {})
    for name, part in parts.items():
        tensors |= with_prefix(f"parts.{name}", to_cpu({key: item for key, item in part.items() if is_tensor(item)}))
    position = {
        "step": training.step,
        "last": asdict(training.last) if training.last else None,
        "parts": {
            name: {key: item for key, item in part.items() if not is_tensor(item)} for name, part in parts.items()
        },
        "made_by": dict(environment),
    }
    return Snapshot(training.steps_done, training.epochs_done, training.units_measured, tensors, position)


def is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def to_files(snapshot: Snapshot) -> dict[str, bytes]:
    """Returns the snapshot as the bytes of two files, by file name."""
    # Only Python reads these files, so infinite metrics may be written as `Infinity`, which is not standard JSON.
    position = json.dumps(snapshot.position, sort_keys=True).encode()
    return {TENSORS: safetensors.torch.save(snapshot.tensors), POSITION: position}


def read_environment(files: Mapping[str, bytes]) -> JsonObject:
    """Returns the data, device and versions with which the state was made."""
    environment: JsonObject = json.loads(files[POSITION])["made_by"]
    return environment


def read_position(files: Mapping[str, bytes]) -> JsonObject:
    """Returns the state without its tensors."""
    return migrate_state(json.loads(files[POSITION]), {})[0]


def restore(training: Training, files: Mapping[str, bytes]) -> None:
    """Restores the state in a new training of the same plan."""
    position, tensors = migrate_state(json.loads(files[POSITION]), safetensors.torch.load(files[TENSORS]))
    training.model.load_state_dict(strip_prefix("model", tensors))
    training.best_weights = strip_prefix("best", tensors) or None
    step = training.take_step
    load_moments(step.optimizer, step.parameters, strip_prefix("optimizer", tensors))
    training.step = position["step"]
    training.last = EpochLog(**position["last"]) if position["last"] else None
    for name, part in training.stateful_parts().items():
        if name in LATER and name not in position["parts"]:
            continue
        part.load_state_dict({**position["parts"][name], **strip_prefix(f"parts.{name}", tensors)})
