"""Residual networks with grouped convolutions."""

from functools import partial

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Residual, Sequential
from bakehouse.plan.stages import add_stages
from bakehouse.recipe.architecture import Resnext

STEM_WIDTH = 64
WIDTH = 256
"""Channels behind each bottleneck of the first stage."""


def resnext(spec: Resnext, chain: Chain, outputs: int) -> Sequential:
    """`stem`; `stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map; `head`."""
    chain.start()
    chain.unit("stem", spec.activation, lambda unit: unit.conv(STEM_WIDTH, 3, bias=False))
    add_stages(chain, (spec.depth - 2) // 9, partial(add_block, spec))
    chain.mean_over_map()
    return chain.finish(outputs)


def add_block(spec: Resnext, stage: Chain, name: str, doubled: int, stride: int) -> None:
    """1x1, grouped 3x3 and 1x1 convolution, each with its norm; the sum; the activation after it."""
    inner, outer = spec.cardinality * spec.width << doubled, WIDTH << doubled
    body = Chain(stage.recipe, stage.shape)
    first = Chain(stage.recipe, body.shape)
    first.conv(inner, 1, bias=False)
    first.norm_and_activation(spec.activation)
    body.add("first", first.sequential())
    second = Chain(stage.recipe, body.shape)
    second.conv(inner, 3, stride=stride, bias=False, groups=spec.cardinality)
    second.norm_and_activation(spec.activation)
    body.add("second", second.sequential())
    body.add("third", last_unit(body, outer))
    shortcut = None if stage.shape == body.shape else projection(stage, outer, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)


def last_unit(body: Chain, channels: int) -> Sequential:
    """The convolution that ends a bottleneck, among the block's dropout; its activation is behind the sum."""
    unit = Chain(body.recipe, body.shape)
    unit.dropout("block_before_conv")
    unit.conv(channels, 1, bias=False)
    unit.dropout("block_before_norm")
    if unit.norm_is_first:
        unit.norm()
    return unit.sequential()


def projection(stage: Chain, channels: int, stride: int) -> Sequential:
    """A 1x1 convolution and its norm (option B)."""
    shortcut = Chain(stage.recipe, stage.shape)
    shortcut.conv(channels, 1, stride=stride, bias=False)
    if shortcut.norm_is_first:
        shortcut.norm()
    return shortcut.sequential()
