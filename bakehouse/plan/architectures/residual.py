"""Layers of residual networks for small images: resnet, preresnet, wide_resnet, resnext."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bakehouse.plan.architectures.layer_builder import LayerBuilder, add_stages
from bakehouse.plan.layers import Residual, Sequential, Subsample
from bakehouse.recipe.architecture import Activation, Preresnet, Resnet, Resnext, WideResnet

BASE_WIDTH = 16


def resnet(spec: Resnet, chain: LayerBuilder, outputs: int) -> Sequential:
    """`stem`; `stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map; `head`."""
    chain.start()
    chain.unit("stem", spec.activation, lambda unit: unit.conv(BASE_WIDTH, 3, bias=False))
    add_stages(chain, (spec.depth - 2) // 6, partial(add_resnet_block, spec))
    chain.mean_over_map()
    return chain.finish(outputs)


def add_resnet_block(spec: Resnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """conv - norm - activation - conv - norm, the shortcut added, and the activation after the sum."""
    body = LayerBuilder(stage.recipe, stage.shape)
    first = LayerBuilder(stage.recipe, body.shape)
    first.conv(BASE_WIDTH << doubled, 3, stride=stride, bias=False)
    first.norm_and_activation(spec.activation)
    body.add("first", first.sequential())
    second = LayerBuilder(stage.recipe, body.shape)
    second.dropout("block_before_conv")
    second.conv(BASE_WIDTH << doubled, 3, bias=False)
    second.dropout("block_before_norm")
    if second.norm_is_first:
        second.norm()
    body.add("second", second.sequential())
    shortcut = None if stage.shape == body.shape else Subsample(stage.shape, body.shape, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)


EXPANSION = 4
"""Channels behind a bottleneck for each inside."""


UNIT_NAMES = ("first", "second", "third")


class Filters(NamedTuple):
    """One convolution of a block."""

    channels: int
    kernel_size: int
    stride: int = 1


def preresnet(spec: Preresnet, chain: LayerBuilder, outputs: int) -> Sequential:
    """`conv`; `stage1` to `stage3` of `block1`, ...; `norm` and `activation` of the last sum; `head`."""
    blocks = (spec.depth - 2) // (9 if spec.block == "bottleneck" else 6)
    chain.start()
    chain.conv(BASE_WIDTH, 3, bias=False)
    add_stages(chain, blocks, partial(add_preresnet_block, spec))
    chain.norm_and_activation(spec.activation)
    chain.mean_over_map()
    return chain.finish(outputs)


def add_preresnet_block(spec: Preresnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """The convolutions of a basic_filters block or of a bottleneck."""
    width = BASE_WIDTH << doubled
    match spec.block:
        case "basic":
            add_preactivated_block(stage, name, spec.activation, basic_filters(width, stride))
        case "bottleneck":
            bottleneck = (Filters(width, 1), Filters(width, 3, stride), Filters(EXPANSION * width, 1))
            add_preactivated_block(stage, name, spec.activation, bottleneck)


def basic_filters(width: int, stride: int) -> tuple[Filters, ...]:
    """Two 3x3 convolutions."""
    return Filters(width, 3, stride), Filters(width, 3)


def add_preactivated_block(
    stage: LayerBuilder, name: str, activation: Activation, convolutions: Sequence[Filters]
) -> None:
    """norm - activation - conv for each, and the sum.

    Where the shape changes, the first norm and activation stand before the fork, so that the 1x1 convolution of
    the shortcut has them too (section 4.1 and the appendix of arXiv 1603.05027).
    """
    block = LayerBuilder(stage.recipe, stage.shape)
    stride = max(filters.stride for filters in convolutions)
    is_projected = stride > 1 or convolutions[-1].channels != stage.shape[0]
    if is_projected:
        block.norm_and_activation(activation)
    body = LayerBuilder(stage.recipe, stage.shape)
    names = UNIT_NAMES[: len(convolutions)]
    for unit_name, filters in zip(names, convolutions, strict=True):
        is_activated = is_projected and unit_name == names[0]
        add_unit(body, unit_name, None if is_activated else activation, filters, is_last=unit_name == names[-1])
    shortcut = preactivated_projection(block, convolutions[-1].channels, stride) if is_projected else None
    block.add("sum", Residual(body.sequential(), shortcut))
    stage.add(name, block.sequential())


def add_unit(body: LayerBuilder, name: str, activation: Activation | None, filters: Filters, *, is_last: bool) -> None:
    """norm - activation - conv, with the block's dropout in the last; without an activation, conv alone."""
    unit = LayerBuilder(body.recipe, body.shape)
    if is_last:
        unit.dropout("block_before_norm")
    if activation is not None:
        unit.norm_and_activation(activation)
    if is_last:
        unit.dropout("block_before_conv")
    unit.conv(filters.channels, filters.kernel_size, stride=filters.stride, bias=False)
    body.add(name, unit.sequential())


def preactivated_projection(block: LayerBuilder, channels: int, stride: int) -> Sequential:
    """A 1x1 convolution (option B)."""
    shortcut = LayerBuilder(block.recipe, block.shape)
    shortcut.conv(channels, 1, stride=stride, bias=False)
    return shortcut.sequential()


def wide_resnet(spec: WideResnet, chain: LayerBuilder, outputs: int) -> Sequential:
    """`conv`; `stage1` to `stage3` of `block1`, ...; `norm` and `activation` of the last sum; `head`."""
    chain.start()
    chain.conv(BASE_WIDTH, 3, bias=False)
    add_stages(chain, (spec.depth - 4) // 6, partial(add_wide_block, spec))
    chain.norm_and_activation(spec.activation)
    chain.mean_over_map()
    return chain.finish(outputs)


def add_wide_block(spec: WideResnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """The basic_filters block, wider."""
    add_preactivated_block(stage, name, spec.activation, basic_filters(spec.width * BASE_WIDTH << doubled, stride))


RESNEXT_STEM_WIDTH = 64


RESNEXT_WIDTH = 256
"""Channels behind each bottleneck of the first stage."""


def resnext(spec: Resnext, chain: LayerBuilder, outputs: int) -> Sequential:
    """`stem`; `stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map; `head`."""
    chain.start()
    chain.unit("stem", spec.activation, lambda unit: unit.conv(RESNEXT_STEM_WIDTH, 3, bias=False))
    add_stages(chain, (spec.depth - 2) // 9, partial(add_resnext_block, spec))
    chain.mean_over_map()
    return chain.finish(outputs)


def add_resnext_block(spec: Resnext, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """1x1, grouped 3x3 and 1x1 convolution, each with its norm; the sum; the activation after it."""
    inner, outer = spec.cardinality * spec.width << doubled, RESNEXT_WIDTH << doubled
    body = LayerBuilder(stage.recipe, stage.shape)
    first = LayerBuilder(stage.recipe, body.shape)
    first.conv(inner, 1, bias=False)
    first.norm_and_activation(spec.activation)
    body.add("first", first.sequential())
    second = LayerBuilder(stage.recipe, body.shape)
    second.conv(inner, 3, stride=stride, bias=False, groups=spec.cardinality)
    second.norm_and_activation(spec.activation)
    body.add("second", second.sequential())
    body.add("third", last_resnext_unit(body, outer))
    shortcut = None if stage.shape == body.shape else resnext_projection(stage, outer, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)


def last_resnext_unit(body: LayerBuilder, channels: int) -> Sequential:
    """The convolution that ends a bottleneck, among the block's dropout; its activation is behind the sum."""
    unit = LayerBuilder(body.recipe, body.shape)
    unit.dropout("block_before_conv")
    unit.conv(channels, 1, bias=False)
    unit.dropout("block_before_norm")
    if unit.norm_is_first:
        unit.norm()
    return unit.sequential()


def resnext_projection(stage: LayerBuilder, channels: int, stride: int) -> Sequential:
    """A 1x1 convolution and its norm (option B)."""
    shortcut = LayerBuilder(stage.recipe, stage.shape)
    shortcut.conv(channels, 1, stride=stride, bias=False)
    if shortcut.norm_is_first:
        shortcut.norm()
    return shortcut.sequential()
