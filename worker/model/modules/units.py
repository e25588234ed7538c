"""Defines first and last layers, which convert between the data's units and the model's."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """A layer whose buffers were fitted on the training split. Loading keeps the precision of the file, which is 64
    bits if the data's numbers need them."""

    def __init__(self, **buffers: Tensor) -> None:
        super().__init__()
        for name, value in buffers.items():
            self.register_buffer(name, value)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers():
            setattr(self, name, value.to(state.get(prefix + name, value).dtype))
        super()._load_from_state_dict(state, prefix, *rest)


class Normalize(Fitted):
    """Computes (x - shift) * scale, which converts the data's units to those of the first layer, in the precision of
    the buffers, which is that of the inputs. The outputs have the precision of the next layers."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shift=torch.zeros(shape), scale=torch.ones(shape))
        # Saved in no file: it follows the precision of the model's weights, also after `model.double()`.
        self.register_buffer("one", torch.ones(()), persistent=False)
        self.shift: Tensor
        self.scale: Tensor
        self.one: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        return ((inputs.to(self.shift.dtype) - self.shift) * self.scale).to(self.one.dtype)


class Whiten(Normalize):
    """Computes W z of normalised inputs z, with a symmetric matrix W over the pixels and channels of an image, the
    numbers of a step, or the features of a row."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.register_buffer("matrix", torch.eye(self.shift.numel()))
        self.matrix: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        normalised = super().forward(inputs)
        rows = normalised.flatten(1) if normalised.ndim == 4 else normalised
        return (rows @ self.matrix).view(normalised.shape)


class Denormalize(Fitted):
    """Computes x * std + mean, which brings standardised targets to the data's units, in the buffers' precision."""

    def __init__(self) -> None:
        super().__init__(mean=torch.zeros(()), std=torch.ones(()))
        self.mean: Tensor
        self.std: Tensor

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.to(self.mean.dtype) * self.std + self.mean


class Exponential(nn.Module):
    """Computes exp(x), which turns the log of a mean into the mean."""

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
"""Layers that bring outputs to the data's units; only the last layer of a model can be one."""


def without_unit_layers(model: nn.Sequential) -> nn.Sequential:
    """Returns the layers of a training step, which take normalised inputs and return standardised outputs."""
    return nn.Sequential(*list(model)[1 : -1 if isinstance(model[-1], UnitLayer) else None])


def to_data_units(model: nn.Sequential, outputs: Tensor) -> Tensor:
    """Converts outputs of the model without its unit layers to the data's units."""
    if not isinstance(model[-1], UnitLayer):
        return outputs
    answer: Tensor = model[-1](outputs)
    return answer
