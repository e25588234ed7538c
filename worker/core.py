"""The part of a model between the data's units and the loss's: normalised inputs, standardised targets."""

from torch import Tensor, nn

from worker.build import Denormalize, Exponential
from worker.heads import Units

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
