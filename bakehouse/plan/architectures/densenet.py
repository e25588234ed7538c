"""Densely connected networks with bottlenecks and compression (DenseNet-BC)."""

from bakehouse.plan.architectures.layer_builder import STAGES, LayerBuilder
from bakehouse.plan.layers import DenseConcat, Sequential
from bakehouse.recipe.architecture import Densenet

EXPANSION = 4
"""Channels inside a bottleneck for each that it adds."""


def densenet(spec: Densenet, chain: LayerBuilder, outputs: int) -> Sequential:
    """`conv`; `stage1` to `stage3` of `block1`, ..., a `transition` between; `norm`, `activation`; `head`."""
    chain.start()
    chain.conv(2 * spec.growth_rate, 3, bias=False)
    for number in STAGES:
        stage = LayerBuilder(chain.recipe, chain.shape)
        for position in range(1, (spec.depth - 4) // 6 + 1):
            stage.add(f"block{position}", DenseConcat(bottleneck(spec, stage)))
        if number < STAGES[-1]:
            stage.add("transition", transition(spec, stage))
        chain.add(f"stage{number}", stage.sequential())
    chain.norm_and_activation(spec.activation)
    chain.mean_over_map()
    return chain.finish(outputs)


def bottleneck(spec: Densenet, stage: LayerBuilder) -> Sequential:
    """norm - activation - 1x1 conv - norm - activation - 3x3 conv."""
    body = LayerBuilder(stage.recipe, stage.shape)
    first = LayerBuilder(stage.recipe, body.shape)
    first.norm_and_activation(spec.activation)
    first.conv(EXPANSION * spec.growth_rate, 1, bias=False)
    body.add("first", first.sequential())
    second = LayerBuilder(stage.recipe, body.shape)
    second.dropout("block_before_norm")
    second.norm_and_activation(spec.activation)
    second.dropout("block_before_conv")
    second.conv(spec.growth_rate, 3, bias=False)
    body.add("second", second.sequential())
    return body.sequential()


def transition(spec: Densenet, stage: LayerBuilder) -> Sequential:
    """norm - activation - 1x1 conv - 2x2 average pooling."""
    between = LayerBuilder(stage.recipe, stage.shape)
    between.norm_and_activation(spec.activation)
    between.conv(max(1, int(spec.compression * stage.shape[0])), 1, bias=False)
    between.pool("average")
    return between.sequential()
