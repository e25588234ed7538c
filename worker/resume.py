"""The private state of a training process as files: safetensors and JSON, nothing pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from worker.training import Training

TENSORS, POSITION = "state.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next step depends on and that the step's number does not determine."""

    step: int
    tensors: dict[str, Tensor]
    position: dict[str, Any]


def snapshot(training: Training, made_by: Mapping[str, Any]) -> Snapshot:
    """Copies on the CPU; `made_by` says on what they were made. Call `training.read()` before."""
    tensors = {f"model.{name}": tensor for name, tensor in training.weights().items()}
    for index, parameter in enumerate(training.parameters):
        for name, tensor in training.optimizer.state[parameter].items():
            tensors[f"optimizer.{index}.{name}"] = tensor.detach().to("cpu", copy=True).contiguous()
    for name, tensor in (training.best_weights or {}).items():
        tensors[f"best.{name}"] = tensor
    for name, tensor in training.tensors().items():
        tensors[f"kept.{name}"] = tensor.detach().to("cpu", copy=True).contiguous()
    return Snapshot(training.step, tensors, {**training.state(), "made_by": dict(made_by)})


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
    training.model.load_state_dict(under(tensors, "model"))
    training.best_weights = under(tensors, "best") or None
    for index, parameter in enumerate(training.parameters):
        saved = under(tensors, f"optimizer.{index}")
        if saved:
            state = {name: like(tensor, parameter) for name, tensor in saved.items()}
            training.optimizer.state[parameter] = state
    kept = under(tensors, "kept")
    training.load_state(json.loads(files[POSITION]), {name: under(kept, name) for name in training.kept})


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Moments get the strides of their parameter: fused kernels walk both in memory order and would mix
    them up silently otherwise."""
    if tensor.shape != parameter.shape:
        return tensor.to(parameter.device)
    return torch.empty_like(parameter).copy_(tensor)
