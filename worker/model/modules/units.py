"""Defines first and last layers, which convert between the data's units and the model's."""

from collections.abc import Mapping, Sequence
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


class EncodeColumns(Normalize):
    """Turns a row of columns into features, and scales them as `Normalize` does. A row has nan in an empty cell, the
    number of a class in a category (any other number is an unknown class), and seconds since 1970 in a date. The steps
    of a sequence are such rows; steps of infinity, which follow the last one of a ragged sequence, become nan.

    The features are all numbers, with `fill` in empty cells; sine and cosine of each cycle of a date, which are 0 in
    an empty cell; for each column with a flag, 1 where the cell is empty; and the one-hot features of each category.
    The scale of a class that is not in the training split is 0.
    """

    def __init__(
        self,
        numbers: tuple[int, ...],
        cycles: tuple[tuple[int, float], ...],
        flags: tuple[int, ...],
        categories: tuple[tuple[int, int], ...],
    ) -> None:
        """`cycles` has the column and the length in seconds of each, `categories` the column and number of classes."""
        classes = [(column, number) for column, count in categories for number in range(count)]
        super().__init__((len(numbers) + 2 * len(cycles) + len(flags) + len(classes),))
        self.register_buffer("fill", torch.zeros(len(numbers)))
        self.fill: Tensor
        self.numbers = self.keep("numbers", numbers)
        self.cycle_columns = self.keep("cycle_columns", [column for column, _ in cycles])
        self.periods = self.keep("periods", [period for _, period in cycles], torch.float64)
        self.flags = self.keep("flags", flags)
        self.class_columns = self.keep("class_columns", [column for column, _ in classes])
        self.class_numbers = self.keep("class_numbers", [number for _, number in classes])

    def keep(self, name: str, values: Sequence[float], dtype: torch.dtype = torch.int64) -> Tensor:
        """Registers a buffer that no file has, because it follows from the arguments."""
        buffer = torch.tensor(values, dtype=dtype)
        self.register_buffer(name, buffer, persistent=False)
        return buffer

    def expand(self, rows: Tensor) -> Tensor:
        """Returns the features before they are scaled."""
        is_empty = rows.isnan()
        numbers = torch.where(is_empty[..., self.numbers], self.fill, rows[..., self.numbers])
        angles = 2 * torch.pi * (rows[..., self.cycle_columns] / self.periods).frac()
        cycles = torch.stack((angles.sin(), angles.cos()), -1).flatten(-2).nan_to_num(0.0)
        classes = rows[..., self.class_columns] == self.class_numbers
        parts = (numbers, cycles, is_empty[..., self.flags], classes)
        return torch.cat([part.to(self.shift.dtype) for part in parts], -1)

    def forward(self, inputs: Tensor) -> Tensor:
        rows = inputs.to(self.shift.dtype)
        features = self.expand(rows)
        if rows.ndim == 3:
            features = features.masked_fill(rows[..., :1].isinf(), torch.nan)
        return super().forward(features)


class WhitenColumns(EncodeColumns, Whiten):
    """Turns columns into features, scales these, and computes W z, where W mixes the numbers and dates. It leaves the
    cycles, flags and classes as they are."""


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
