"""State dicts: prefixes of their names, and copies of their tensors."""

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor, nn

from worker.types import Weights


def to_cpu(state: Mapping[str, Tensor]) -> Weights:
    """Copies to the CPU, contiguous as safetensors wants them."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """The same tensors, named `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """The tensors that are named `prefix.name`, under `name`."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def with_own_buffers(model: nn.Sequential) -> nn.Sequential:
    """A copy that shares the parameters, but not the buffers nor anything else that a layer remembers."""
    return deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
