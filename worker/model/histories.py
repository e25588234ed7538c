"""Saves what the cross-iteration batch norms of a model remember, so that a run can resume."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from bakehouse.model import JsonObject
from worker.model.modules import CrossIterationBatchNorm
from worker.model.modules.norms import HISTORY_BUFFERS
from worker.types import State


class Histories:
    """Saves and restores the iterations that the layers remember, under the layers' names."""

    def __init__(self, layers: Mapping[str, CrossIterationBatchNorm]) -> None:
        self.layers = layers

    def state_dict(self) -> State:
        iterations: JsonObject = {f"{name}.iteration": layer.iteration for name, layer in self.layers.items()}
        return iterations | dict(self.buffers())

    def load_state_dict(self, state: State) -> None:
        for name, layer in self.layers.items():
            layer.iteration = state[f"{name}.iteration"]
        for name, buffer in self.buffers():
            # `copy_` keeps the buffer on the device of its layer.
            buffer.copy_(state[name])

    def buffers(self) -> Iterator[tuple[str, Tensor]]:
        for name, layer in self.layers.items():
            yield from ((f"{name}.{field}", getattr(layer, field)) for field in HISTORY_BUFFERS)


def histories(model: nn.Module) -> Histories:
    """Returns the histories of all cross-iteration batch norms in a model; empty if it has none."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, CrossIterationBatchNorm)}
    return Histories(layers)
