"""Applies several models as one. The script in the folder of an ensemble prints this source, so it imports nothing from
Bakehouse."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

CLASS_LOSSES = ("cross_entropy", "binary_cross_entropy")
"""The losses of classes; the outputs for other targets are values."""


class Ensemble(nn.Module):
    """Several models as one: its outputs are the logits of their mean probabilities, and their mean values."""

    def __init__(self, members: Iterable[nn.Module], targets: Sequence[tuple[slice, str]], mean: str) -> None:
        """`targets` are the columns of the outputs for each target and its loss."""
        super().__init__()
        self.members = nn.ModuleList(members)
        self.targets = targets
        self.mean = mean

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = torch.stack([member(inputs) for member in self.members])
        means = [mean_output(outputs[..., columns].double(), loss, self.mean) for columns, loss in self.targets]
        return torch.cat(means, 1).to(outputs.dtype)


def load_members(build: Callable[[], nn.Module], files: Iterable[Path]) -> Iterator[nn.Module]:
    """Yields the models whose weights are in files."""
    for file in files:
        member = build()
        member.load_state_dict(load_file(file))
        yield member


def mean_output(outputs: Tensor, loss: str, mean: str) -> Tensor:
    """Returns the mean of the outputs of several models (models, N, k) for one target, in the form of an output.

    The arithmetic mean of probabilities p is sum(p) / n. Their geometric mean is the n-th root of prod(p), divided by
    its sum over the classes. Values have the arithmetic mean.
    """
    if loss not in CLASS_LOSSES:
        return outputs.mean(0)
    logs = torch.stack([log_probabilities(each, loss) for each in outputs])
    mean_logs = logs.mean(0) if mean == "geometric" else logs.logsumexp(0) - math.log(len(logs))
    # The difference of the logarithms of p and 1 - p is the logit.
    return mean_logs[0] if loss == "cross_entropy" else mean_logs[0] - mean_logs[1]


def log_probabilities(outputs: Tensor, loss: str) -> Tensor:
    """Returns logarithms of probabilities (1, N, classes); of a single logit those of both classes (2, N, 1)."""
    if loss == "cross_entropy":
        return functional.log_softmax(outputs, 1)[None]
    return torch.stack((functional.logsigmoid(outputs), functional.logsigmoid(-outputs)))
