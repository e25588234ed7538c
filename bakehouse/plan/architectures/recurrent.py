"""Recurrent networks."""

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Recurrent, Rows, Sequential
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.ingredient import Off


def rnn(spec: Rnn, chain: LayerBuilder, outputs: int) -> Sequential:
    """`layer1`, `layer2`, ..., each recurrent - dropout; the last state of the last goes to `head`."""
    chain.start()
    if len(chain.shape) == 3:
        chain.add("rows", Rows(chain.shape))
    norm = None if isinstance(chain.recipe.norm, Off) else chain.recipe.norm
    for number in range(1, spec.num_layers + 1):
        inner, is_last = LayerBuilder(chain.recipe, chain.shape), number == spec.num_layers
        inner.add("recurrent", Recurrent(spec.cell, inner.shape, spec.hidden_size, spec.activation, norm, is_last))
        inner.dropout("hidden")
        chain.add(f"layer{number}", inner.sequential())
    return chain.finish(outputs)
