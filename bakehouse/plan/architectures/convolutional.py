"""Builds plain convolutional networks: cnn, vgg, fitnet."""

from functools import partial

from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Cnn, Fitnet, Vgg


def cnn(spec: Cnn, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `stage1`, `stage2`, ... of `conv1`, `conv2`, ... and `pool`; then `hidden1`, ... and `head`."""
    layers.start()
    for number, channels in enumerate(spec.channels, start=1):
        # The method is not bound, because `unit` calls it with the builder of its own group.
        conv = partial(LayerBuilder.conv, channels=channels, kernel_size=spec.kernel_size)
        with layers.group(f"stage{number}") as stage:
            for position in range(1, spec.convolutions + 1):
                stage.unit(f"conv{position}", spec.activation, conv)
            stage.pool("max")
    layers.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        layers.unit(f"hidden{number}", spec.activation, partial(LayerBuilder.linear, width=width))
    return layers.finish(outputs)


VGG_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Number of convolutions in each stage, for each depth: table 1 of arXiv 1409.1556."""


def vgg(spec: Vgg, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `stage1` to `stage5` of `conv1`, ... and `pool`, then `hidden1`, ... and `head`.

    A stage whose map is only one pixel high or wide has no `pool`.
    """
    layers.start()
    for number, convolutions in enumerate(VGG_CONVOLUTIONS[spec.depth], start=1):
        # The paper's width doubles three times, from 64 to 512, and then stays.
        conv = partial(LayerBuilder.conv, channels=spec.width * 2 ** min(number - 1, 3), kernel_size=3)
        with layers.group(f"stage{number}") as stage:
            for position in range(1, convolutions + 1):
                stage.unit(f"conv{position}", spec.activation, conv)
            if min(stage.shape[1:]) > 1:
                stage.pool("max")
    layers.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        layers.unit(f"hidden{number}", spec.activation, partial(LayerBuilder.linear, width=width))
    return layers.finish(outputs)


def fitnet(spec: Fitnet, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `stage1`, ... of `conv1`, ..., with a `pool` between stages; then a global `pool`, `hidden` and `head`."""
    is_maxout = spec.activation == "maxout"
    pieces = spec.pieces if is_maxout else 1
    hidden_pieces = spec.hidden_pieces if is_maxout else 1
    layers.start()
    for number, widths in enumerate(spec.stages, start=1):
        with layers.group(f"stage{number}") as stage:
            for position, width in enumerate(widths, start=1):
                conv = partial(LayerBuilder.conv, channels=width * pieces, kernel_size=3)
                stage.unit(f"conv{position}", spec.activation, conv, pieces=pieces)
            if number < len(spec.stages):
                stage.pool("max")
    layers.pool("global_max")
    linear = partial(LayerBuilder.linear, width=spec.hidden * hidden_pieces)
    layers.unit("hidden", spec.activation, linear, pieces=hidden_pieces)
    return layers.finish(outputs)
