"""Dropout layers in torch."""

from typing import assert_never

import torch
from torch import Tensor, nn

from bakehouse.recipe.dropout import AnyDropout, Dropout, VanillaDropout


def dropout(spec: AnyDropout) -> nn.Module:
    """Each draws from torch's default generator, which the training loop seeds at every step."""
    match spec:
        case Dropout():
            return nn.Dropout(spec.rate)
        case VanillaDropout():
            return VanillaDropoutLayer(spec.rate)
        case _:
            assert_never(spec)


class VanillaDropoutLayer(nn.Module):
    """m x in training with m ~ Bernoulli(1 - rate), (1 - rate) x in evaluation. arXiv 1207.0580."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs * (1 - self.rate)
        return inputs * torch.empty_like(inputs).bernoulli_(1 - self.rate)
