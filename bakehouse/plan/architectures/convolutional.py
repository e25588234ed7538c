"""Layers of plain convolutional networks: cnn, fitnet."""

from functools import partial

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Pool, Sequential
from bakehouse.recipe.architecture import Cnn, Fitnet


def cnn(spec: Cnn, chain: LayerBuilder, outputs: int) -> Sequential:
    """`stage1`, `stage2`, ... of `conv1`, `conv2`, ... and `pool`; `hidden1`, ...; `head`."""
    chain.start()
    for number, channels in enumerate(spec.channels, start=1):
        stage = LayerBuilder(chain.recipe, chain.shape)
        for position in range(1, spec.convolutions + 1):
            conv = partial(LayerBuilder.conv, channels=channels, kernel_size=spec.kernel_size)
            stage.unit(f"conv{position}", spec.activation, conv)
        stage.pool()
        chain.add(f"stage{number}", stage.sequential())
    chain.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        chain.unit(f"hidden{number}", spec.activation, partial(LayerBuilder.linear, width=width))
    return chain.finish(outputs)


def fitnet(spec: Fitnet, chain: LayerBuilder, outputs: int) -> Sequential:
    """`stage1`, `stage2`, ... of `conv1`, ..., with a `pool` between; `pool`; `hidden`; `head`."""
    is_maxout = spec.activation == "maxout"
    pieces, hidden_pieces = (spec.pieces, spec.hidden_pieces) if is_maxout else (1, 1)
    chain.start()
    for number, widths in enumerate(spec.stages, start=1):
        stage = LayerBuilder(chain.recipe, chain.shape)
        for position, width in enumerate(widths, start=1):
            conv = partial(LayerBuilder.conv, channels=width * pieces, kernel_size=3)
            stage.unit(f"conv{position}", spec.activation, conv, pieces=pieces)
        if number < len(spec.stages):
            stage.pool()
        chain.add(f"stage{number}", stage.sequential())
    chain.add("pool", Pool("global_max", chain.shape))
    linear = partial(LayerBuilder.linear, width=spec.hidden * hidden_pieces)
    chain.unit("hidden", spec.activation, linear, pieces=hidden_pieces)
    return chain.finish(outputs)
