"""The layers that torch does not have."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Fitted(nn.Module):
    """Buffers that were fitted on the training split, in the precision that they are loaded in: 64 bits where the
    data's numbers need them."""

    def __init__(self, **fitted: Tensor) -> None:
        super().__init__()
        for name, value in fitted.items():
            self.register_buffer(name, value)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers():
            setattr(self, name, value.to(state.get(prefix + name, value).dtype))
        super()._load_from_state_dict(state, prefix, *rest)


class Normalize(Fitted):
    """(x - shift) * scale, from stored units to those of the first layer. Computed in the precision of the buffers,
    which is that of the inputs; given in that of the next layers."""

    def __init__(self, statistics: tuple[int, ...]) -> None:
        super().__init__(shift=torch.zeros(statistics), scale=torch.ones(statistics))
        # In no file: it has the precision of the model's weights, also after `model.double()`.
        self.register_buffer("one", torch.ones(()), persistent=False)
        self.shift: Tensor
        self.scale: Tensor
        self.one: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        return ((inputs.to(self.shift.dtype) - self.shift) * self.scale).to(self.one.dtype)


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


class Residual(nn.Module):
    """body(x) + shortcut(x). He et al. 2016, arXiv 1512.03385."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
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
    """Every `stride`-th pixel, and `extra` channels of zeros behind."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Maxout(nn.Module):
    """max_j z_ij over the `pieces` features z_i1, z_i2, ... that stand together. Goodfellow et al. 2013,
    arXiv 1302.4389."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(len(inputs), -1, self.pieces, *inputs.shape[2:]).amax(2)


class MaxOverMap(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.amax((2, 3))


class MeanOverMap(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean((2, 3))


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


InUnits = Denormalize | Exponential | Units
"""What brings outputs back to the data's units, last in a model."""


def core(model: nn.Sequential) -> nn.Sequential:
    """The layers that a training step computes."""
    return nn.Sequential(*list(model)[1 : -1 if isinstance(model[-1], InUnits) else None])


def in_units(model: nn.Sequential, outputs: Tensor) -> Tensor:
    """Outputs of the core as the whole model gives them."""
    if not isinstance(model[-1], InUnits):
        return outputs
    answer: Tensor = model[-1](outputs)
    return answer


class Whiten(Normalize):
    """W z of normalised inputs z, with a symmetric matrix W over the pixels and channels of an image, the numbers of a
    step, or the features of a row."""

    def __init__(self, statistics: tuple[int, ...]) -> None:
        super().__init__(statistics)
        self.register_buffer("matrix", torch.eye(self.shift.numel()))
        self.matrix: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        normalised = super().forward(inputs)
        rows = normalised.flatten(1) if normalised.ndim == 4 else normalised
        return (rows @ self.matrix).view(normalised.shape)
