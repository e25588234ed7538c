"""A training loop to compare with: plain PyTorch as a user would write it for data in memory, without tuning and
without imports from Bakehouse.

`python bench/baseline_loop.py digits_mlp x.npy y.npy SECONDS` prints samples per second.
"""

import sys
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def digits_mlp() -> nn.Module:
    """Returns a network of 64-256-256-10 units with batch norm and dropout 0.5."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )


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


MODELS = {"digits_mlp": (digits_mlp, 64), "fashion_cnn": (fashion_cnn, 128)}


def train(model: nn.Module, inputs: Tensor, targets: Tensor, *, batch_size: int, seconds: float) -> float:
    """Trains with Adam for about `seconds`; returns samples per second."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    started = perf_counter()
    samples = 0
    while True:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            samples += len(rows)
            if perf_counter() - started > seconds:
                return samples / (perf_counter() - started)


if __name__ == "__main__":
    name, x, y, seconds = sys.argv[1:]
    torch.set_num_threads(1)
    build, batch_size = MODELS[name]
    inputs = torch.tensor(np.load(x), dtype=torch.float32)
    inputs = (inputs - inputs.mean()) / inputs.std()
    print(train(build(), inputs, torch.tensor(np.load(y)), batch_size=batch_size, seconds=float(seconds)))
