"""How layers are joined and maps are reduced."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


def sequence(**layers: nn.Module) -> nn.Sequential:
    """Named layers, one after the other."""
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """body(x) + shortcut(x); the shortcut is x itself where none is given. He et al. 2016, arXiv 1512.03385."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.body(inputs)
        return outputs + (inputs if self.shortcut is None else self.shortcut(inputs))


class DenseConcat(nn.Module):
    """x and body(x), as channels of one map. Huang et al. 2017, arXiv 1608.06993."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat((inputs, self.body(inputs)), 1)


class Subsample(nn.Module):
    """Every `stride`-th pixel, followed by `extra` channels of zeros."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Maxout(nn.Module):
    """max_j z_ij over `pieces` neighbouring features z_i1, z_i2, ... Goodfellow et al. 2013, arXiv 1302.4389."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(len(inputs), -1, self.pieces, *inputs.shape[2:]).amax(2)


class MaxOverMap(nn.Module):
    """The largest pixel of each channel: (N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.amax((2, 3))


class MeanOverMap(nn.Module):
    """The mean of each channel: (N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean((2, 3))


class Heads(nn.ModuleDict):
    """Concatenates main(x), task1(x), ...: output layers of the same input. Caruana 1997, Multitask Learning."""

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([head(inputs) for head in self.values()], 1)
