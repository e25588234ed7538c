"""The end of a model of several targets."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Heads(nn.ModuleDict):
    """main(x), task1(x), ..., one behind the other: output layers of the same input. Caruana 1997, Multitask
    Learning."""

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([head(inputs) for head in self.values()], 1)


class Units(nn.ModuleDict):
    """Some columns in units of their own; all others as they are."""

    def __init__(self, parts: Mapping[str, nn.Module], columns: Sequence[int]) -> None:
        super().__init__(parts)
        self.columns = tuple(columns)

    def forward(self, outputs: Tensor) -> Tensor:
        changed = list(outputs.unbind(1))
        for column, part in zip(self.columns, self.values(), strict=True):
            changed[column] = part(changed[column])
        return torch.stack(changed, 1)
