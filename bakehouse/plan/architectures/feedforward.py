"""Layers of networks without convolutions: linear, mlp."""

from functools import partial

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Linear, Mlp


def mlp(spec: Mlp, chain: LayerBuilder, outputs: int) -> Sequential:
    """`hidden1`, `hidden2`, ..., each linear - norm - activation - dropout, then `head`."""
    chain.start()
    chain.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        chain.unit(f"hidden{number}", spec.activation, partial(LayerBuilder.linear, width=width))
    return chain.finish(outputs)


def linear(_: Linear, chain: LayerBuilder, outputs: int) -> Sequential:
    """Inputs straight to outputs."""
    chain.start()
    chain.flatten()
    return chain.finish(outputs)
