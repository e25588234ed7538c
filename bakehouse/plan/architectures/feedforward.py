"""Builds networks without convolutions: linear, mlp."""

from functools import partial

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Mlp


def mlp(spec: Mlp, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `hidden1`, `hidden2`, ..., each linear - norm - activation - dropout, then `head`."""
    layers.start()
    layers.embed(classes=spec.embed_from, width=spec.embedding_width)
    layers.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        layers.unit(f"hidden{number}", spec.activation, partial(LayerBuilder.linear, width=width))
    return layers.finish(outputs)


def linear(layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds a linear model, whose only weights are those of `head`."""
    layers.start()
    layers.flatten()
    return layers.finish(outputs)
