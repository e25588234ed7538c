"""Between the data's units and the model's: first and last layers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """Buffers that were fitted on the training split. Loading keeps the precision of the file, which is 64 bits where
    the data's numbers need them."""

    def __init__(self, **buffers: Tensor) -> None:
        super().__init__()
        for name, value in buffers.items():
            self.register_buffer(name, value)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers():
            setattr(self, name, value.to(state.get(prefix + name, value).dtype))
        super()._load_from_state_dict(state, prefix, *rest)


class Normalize(Fitted):
    """(x - shift) * scale, from the data's units to those of the first layer; in the precision of the buffers, which is
    that of the inputs. The outputs have the precision of the next layers."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shift=torch.zeros(shape), scale=torch.ones(shape))
        # In no file: it has the precision of the model's weights, also after `model.double()`.
        self.register_buffer("one", torch.ones(()), persistent=False)
        self.shift: Tensor
        self.scale: Tensor
        self.one: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        return ((inputs.to(self.shift.dtype) - self.shift) * self.scale).to(self.one.dtype)


class Whiten(Normalize):
    """W z of normalised inputs z, with a symmetric matrix W over the pixels and channels of an image, the numbers of a
    step, or the features of a row."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.register_buffer("matrix", torch.eye(self.shift.numel()))
        self.matrix: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        normalised = super().forward(inputs)
        rows = normalised.flatten(1) if normalised.ndim == 4 else normalised
        return (rows @ self.matrix).view(normalised.shape)


class Denormalize(Fitted):
    """x * std + mean, from standardised targets to the data's units, in the precision of the buffers."""

    def __init__(self) -> None:
        super().__init__(mean=torch.zeros(()), std=torch.ones(()))
        self.mean: Tensor
        self.std: Tensor

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.to(self.mean.dtype) * self.std + self.mean


class Exponential(nn.Module):
    """exp(x), from the log of a mean to the mean."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.exp()


class Units(nn.ModuleDict):
    """Brings some columns to the data's units and leaves the others as they are."""

    def __init__(self, parts: Mapping[str, nn.Module], columns: tuple[int, ...]) -> None:
        super().__init__(parts)
        self.columns = columns

    def forward(self, outputs: Tensor) -> Tensor:
        changed = list(outputs.unbind(1))
        for column, part in zip(self.columns, self.values(), strict=True):
            changed[column] = part(changed[column])
        return torch.stack(changed, 1)


UnitLayer = Denormalize | Exponential | Units
"""The layers that bring outputs to the data's units; at most the last of a model is one."""


def without_unit_layers(model: nn.Sequential) -> nn.Sequential:
    """The layers that a training step computes: from normalised inputs to standardised outputs."""
    return nn.Sequential(*list(model)[1 : -1 if isinstance(model[-1], UnitLayer) else None])


def to_data_units(model: nn.Sequential, outputs: Tensor) -> Tensor:
    """Outputs of the model without its unit layers, as the whole model gives them."""
    if not isinstance(model[-1], UnitLayer):
        return outputs
    answer: Tensor = model[-1](outputs)
    return answer
