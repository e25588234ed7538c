"""Tensors under names, and copies of them."""

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor, nn

from worker.types import Weights


def to_cpu(state: Mapping[str, Tensor]) -> Weights:
    """On the CPU, as safetensors wants them."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def named(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """The same, as `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Those whose names begin with the prefix, without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def with_own_buffers(model: nn.Sequential) -> nn.Sequential:
    """A copy with the same parameters; buffers, and whatever else a layer remembers, are its own."""
    return deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
