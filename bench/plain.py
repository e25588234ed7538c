"""The loop that the product is measured against: plain PyTorch, as a user would write it for data that fit in
memory. Nothing here is imported from the product, and nothing here is tuned."""

from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional


def digits_mlp() -> nn.Module:
    """64-256-256-10 with batch norm and dropout 0.5."""
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
    """Two stages of two 3x3 convolutions with batch norm, 32 and 64 channels, and a hidden layer of 128."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def train(model: nn.Module, inputs: Tensor, targets: Tensor, *, batch_size: int, seconds: float) -> float:
    """Trains with Adam for about `seconds`, whole epochs; samples a second."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    started, samples = perf_counter(), 0
    while perf_counter() - started < seconds:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
        samples += len(inputs)
    return samples / (perf_counter() - started)
