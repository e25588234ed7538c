"""Training steps with the common ingredients in plain PyTorch, without tuning and without imports from Bakehouse."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Transform = Callable[[Tensor], Tensor]
Norm = Callable[[tuple[int, ...]], nn.Module]
"""Function that builds a norm for inputs of the given shape."""

PADDING = 1


def network(norm: Norm | None = None, dropout: float = 0.0, *, hidden: bool = True) -> nn.Sequential:
    """Returns a network of two 3x3 convolutions with 32 and 64 channels, and optionally a hidden layer of 128."""
    layers: list[nn.Module] = []
    for before, channels, side in ((1, 32, 8), (32, 64, 4)):
        layers.append(nn.Conv2d(before, channels, 3, padding=1, bias=norm is None))
        layers += [*after_weights((channels, side, side), norm, dropout), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    if hidden:
        layers += [nn.Linear(256, 128, bias=norm is None), *after_weights((128,), norm, dropout)]
    return nn.Sequential(*layers, nn.Linear(128 if hidden else 256, 10))


def after_weights(shape: tuple[int, ...], norm: Norm | None, dropout: float) -> list[nn.Module]:
    norms = [] if norm is None else [norm(shape)]
    return [*norms, nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]


def batch_norm(shape: tuple[int, ...]) -> nn.Module:
    return nn.BatchNorm2d(shape[0]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])


def group_norm(shape: tuple[int, ...]) -> nn.Module:
    return nn.GroupNorm(8, shape[0])


def instance_norm(shape: tuple[int, ...]) -> nn.Module:
    return nn.InstanceNorm2d(shape[0], affine=True)


def flip(inputs: Tensor) -> Tensor:
    """Mirrors each sample with probability one half."""
    mirrored = torch.rand(len(inputs)) < 0.5
    return torch.where(mirrored[:, None, None, None], inputs.flip(3), inputs)


def crop(inputs: Tensor) -> Tensor:
    """Pads each sample and cuts a window of the original size at a random position."""
    count, _, height, width = inputs.shape
    padded = functional.pad(inputs, (PADDING,) * 4)
    top = torch.randint(2 * PADDING + 1, (count, 1)) + torch.arange(height)
    left = torch.randint(2 * PADDING + 1, (count, 1)) + torch.arange(width)
    rows = torch.arange(count)[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def steps(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    batch_size: int,
    augment: Transform | None = None,
    smoothing: float = 0.0,
    decay: float = 0.0,
) -> Iterator[None]:
    """Trains with Adam without end and yields after each step. Decay is added to the gradients of weights only."""
    weights = [item for item in model.parameters() if item.ndim > 1]
    others = [item for item in model.parameters() if item.ndim <= 1]
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.Adam(groups if decay else model.parameters(), lr=1e-3)
    model.train()
    while True:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch_size):
            rows = order[start : start + batch_size]
            batch = inputs[rows] if augment is None else augment(inputs[rows])
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(batch), targets[rows], label_smoothing=smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield
