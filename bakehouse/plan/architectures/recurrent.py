"""Builds recurrent networks."""

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Recurrent, Rows, Sequential
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.ingredient import Off


def rnn(spec: Rnn, layers: LayerBuilder, outputs: int, *, is_ragged: bool) -> Sequential:
    """Builds `layer1`, `layer2`, ..., each recurrent - dropout, then `head` on the last state of the last layer."""
    layers.start()
    if len(layers.shape) == 3:
        layers.add("rows", Rows(layers.shape))
    norm = None if isinstance(layers.recipe.norm, Off) else layers.recipe.norm
    for number in range(1, spec.num_layers + 1):
        is_last = number == spec.num_layers
        with layers.group(f"layer{number}") as layer:
            cell = Recurrent(
                spec.cell, layer.shape, spec.hidden_size, spec.activation, norm, gives_last=is_last, is_ragged=is_ragged
            )
            layer.add("recurrent", cell)
            layer.dropout("hidden")
    return layers.finish(outputs)
