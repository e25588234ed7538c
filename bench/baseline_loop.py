"""Training loops to compare with, in plain PyTorch for data in memory and without imports from Bakehouse: one as a user
would write it, and one tuned by hand.

`python bench/baseline_loop.py plain` (or `tuned`) reads lines `MODEL X.NPY Y.NPY WARM_UP SECONDS`, and answers each
with samples per second of wall time and of processor time. The allocator's settings are in the environment of the
tuned loop.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from time import perf_counter, process_time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Batches = Iterator[tuple[Tensor, Tensor]]


def digits_mlp() -> nn.Module:
    """Returns a network of 64-256-256-10 units with batch norm and dropout 0.5."""
    hidden = [
        layer
        for before, width in pairwise((64, 256, 256))
        for layer in (nn.Linear(before, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5))
    ]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 10))


def fashion_cnn() -> nn.Module:
    """Returns a network of two stages of two 3x3 convolutions (32 and 64 channels) with batch norm, and 128 hidden
    units."""
    layers: list[nn.Module] = []
    for before, channels in ((1, 32), (32, 64)):
        for inputs in (before, channels):
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(64 * 7 * 7, 128), nn.BatchNorm1d(128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(128, 10))


class Block(nn.Module):
    """A pre-activated residual block of two 3x3 convolutions."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = None if before == channels else nn.Conv2d(before, channels, 1, stride=stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        active = functional.relu(self.norm1(inputs))
        outputs: Tensor = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return outputs + (inputs if self.shortcut is None else self.shortcut(active))


def preactivated(blocks: int, width: int) -> nn.Module:
    """Returns a network of three stages of blocks with 16, 32 and 64 times `width` channels."""
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, padding=1, bias=False)]
    before = 16
    for stage in range(3):
        channels = 16 * width << stage
        for number in range(blocks):
            layers.append(Block(before, channels, stride=2 if stage and not number else 1))
            before = channels
    return nn.Sequential(
        *layers, nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)
    )


def preresnet_20() -> nn.Module:
    return preactivated(blocks=3, width=1)


def wide_resnet_16_2() -> nn.Module:
    return preactivated(blocks=2, width=2)


class Rows(nn.Module):
    """An LSTM of 128 units that reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        states, _ = self.lstm(images.squeeze(1))
        outputs: Tensor = self.head(states[:, -1])
        return outputs


MODELS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "digits_mlp": (digits_mlp, 64),
    "fashion_cnn": (fashion_cnn, 128),
    "preresnet_20": (preresnet_20, 128),
    "wide_resnet_16_2": (wide_resnet_16_2, 128),
    "fashion_lstm": (Rows, 128),
}
"""Each model, and the size of its batches."""


def plain_batches(inputs: Tensor, targets: Tensor, batch_size: int) -> Batches:
    """Yields the batches of an epoch, each copied by itself."""
    order = torch.randperm(len(inputs))
    for start in range(0, len(inputs), batch_size):
        rows = order[start : start + batch_size]
        yield inputs[rows], targets[rows]


def tuned_batches(inputs: Tensor, targets: Tensor, batch_size: int) -> Batches:
    """Yields the batches of an epoch, which are copied at once."""
    order = torch.randperm(len(inputs))
    yield from zip(inputs[order].split(batch_size), targets[order].split(batch_size), strict=True)  # type: ignore[no-untyped-call]


def measure(name: str, inputs: Tensor, targets: Tensor, *, is_tuned: bool, warm_up: float, seconds: float) -> str:
    """Trains with Adam; returns samples per second of wall time and of processor time, after the warm-up."""
    build, batch_size = MODELS[name]
    model = build().train()
    batches = tuned_batches if is_tuned else plain_batches
    if is_tuned and inputs.ndim == 4:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        inputs = inputs.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=is_tuned)
    begin = perf_counter() + warm_up
    cpu = None
    samples = 0
    while True:
        for batch, labels in batches(inputs, targets, batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(batch), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            now = perf_counter()
            if cpu is not None:
                samples += len(batch)
                if now - begin > seconds:
                    return f"{samples / (now - begin)} {samples / (process_time() - cpu)}"
            elif now > begin:
                begin = now
                cpu = process_time()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, x, y, warm_up, seconds = line.split()
        images = torch.tensor(np.load(x), dtype=torch.float32)
        rates = measure(
            name,
            (images - images.mean()) / images.std(),
            torch.tensor(np.load(y)),
            is_tuned=sys.argv[1] == "tuned",
            warm_up=float(warm_up),
            seconds=float(seconds),
        )
        print(rates, flush=True)
