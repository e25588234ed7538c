"""Copies the tensors of state dicts, and changes the prefixes of their names."""

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor, nn

from worker.types import Weights


def to_cpu(state: Mapping[str, Tensor]) -> Weights:
    """Copies tensors to the CPU, contiguous as safetensors needs them."""
    # Without `copy=True`, tensors on the CPU would be shared, and the next step would change them.
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Returns the same tensors under the names `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Returns the tensors that are named `prefix.name`, under `name`."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def with_own_buffers(model: nn.Sequential) -> nn.Sequential:
    """Returns a copy of the model that shares its parameters, but not its buffers or other state of its layers."""
    # The memo says that the parameters are copied already, so `deepcopy` takes them as they are.
    return deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
