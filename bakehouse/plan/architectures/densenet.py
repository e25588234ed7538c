"""Builds densely connected networks with bottlenecks and compression (DenseNet-BC)."""

from bakehouse.plan.architectures.layer_builder import STAGES, LayerBuilder
from bakehouse.plan.layers import DenseConcat, Sequential
from bakehouse.recipe.architecture import Densenet

EXPANSION = 4
"""Number of channels inside a bottleneck for each channel that it adds to the map."""


def densenet(spec: Densenet, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `conv`, `stage1` to `stage3` of `block1`, ... and `transition`, then `norm`, `activation` and `head`."""
    layers.start()
    layers.conv(2 * spec.growth_rate, 3, bias=False)
    for number in STAGES:
        with layers.group(f"stage{number}") as stage:
            # Depth 6 n + 4: three stages of n blocks of two convolutions; conv, two transitions and head.
            for position in range(1, (spec.depth - 4) // 6 + 1):
                stage.add(f"block{position}", DenseConcat(bottleneck(spec, stage)))
            if number < STAGES[-1]:
                add_transition(spec, stage)
    layers.norm_and_activation(spec.activation)
    layers.pool("global_average")
    return layers.finish(outputs)


def bottleneck(spec: Densenet, stage: LayerBuilder) -> Sequential:
    """Builds norm - activation - 1x1 conv - norm - activation - 3x3 conv."""
    body = stage.branch()
    with body.group("first") as first:
        first.norm_and_activation(spec.activation)
        first.conv(EXPANSION * spec.growth_rate, 1, bias=False)
    with body.group("second") as second:
        second.dropout("block_before_norm")
        second.norm_and_activation(spec.activation)
        second.dropout("block_before_conv")
        second.conv(spec.growth_rate, 3, bias=False)
    return body.sequential()


def add_transition(spec: Densenet, stage: LayerBuilder) -> None:
    """Appends norm - activation - 1x1 conv - 2x2 average pooling."""
    channels = max(1, int(spec.compression * stage.shape[0]))
    with stage.group("transition") as transition:
        transition.norm_and_activation(spec.activation)
        transition.conv(channels, 1, bias=False)
        transition.pool("average")
