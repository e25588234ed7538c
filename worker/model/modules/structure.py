"""Defines modules that join layers or reduce maps."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


def sequence(**layers: nn.Module) -> nn.Sequential:
    """Builds a sequence of named layers."""
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """Computes body(x) + shortcut(x), or body(x) + x without a shortcut. He et al. 2016, arXiv 1512.03385."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.body(inputs)
        return outputs + (inputs if self.shortcut is None else self.shortcut(inputs))


class DenseConcat(nn.Module):
    """Concatenates the channels of x and of body(x). Huang et al. 2017, arXiv 1608.06993."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat((inputs, self.body(inputs)), 1)


class Subsample(nn.Module):
    """Keeps every `stride`-th pixel and appends `extra` channels of zeros."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Maxout(nn.Module):
    """Takes the largest of `pieces` neighbouring features, max_j z_ij. Goodfellow et al. 2013, arXiv 1302.4389."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(len(inputs), -1, self.pieces, *inputs.shape[2:]).amax(2)


class MaxOverMap(nn.Module):
    """Takes the largest pixel of each channel: (N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.amax((2, 3))


class MeanOverMap(nn.Module):
    """Takes the mean of each channel: (N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean((2, 3))


class Heads(nn.ModuleDict):
    """Concatenates main(x), task1(x), ...: output layers of the same input. Caruana 1997, Multitask Learning."""

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([head(inputs) for head in self.values()], 1)


class Embed(nn.Module):
    """Multiplies some blocks of one-hot features each by a matrix (classes x width), whose rows are the embeddings of
    the classes, and leaves the other features as they are. A mixture of rows gets the mixture of their embeddings.
    Guo & Berkhahn 2016, arXiv 1604.06737."""

    def __init__(self, features: int, blocks: tuple[tuple[int, int, int], ...]) -> None:
        """`blocks` has the first feature, the number of classes and the width of each embedding."""
        super().__init__()
        self.features = features
        self.blocks = blocks
        for number, (_, classes, width) in enumerate(blocks):
            # The distribution of torch's nn.Embedding.
            self.register_parameter(f"weight{number}", nn.Parameter(torch.randn(classes, width)))

    def forward(self, inputs: Tensor) -> Tensor:
        parts = []
        end = 0
        for (first, classes, _), weight in zip(self.blocks, self.parameters(), strict=True):
            parts += [inputs[:, end:first], inputs[:, first : first + classes] @ weight]
            end = first + classes
        return torch.cat([*parts, inputs[:, end : self.features]], 1)
