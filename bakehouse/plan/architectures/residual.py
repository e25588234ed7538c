"""Builds residual networks for small images: resnet, preresnet, wide_resnet, resnext."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bakehouse.plan.architectures.layer_builder import LayerBuilder, add_stages
from bakehouse.plan.layers import Residual, Sequential, Subsample
from bakehouse.recipe.architecture import Activation, Preresnet, Resnet, Resnext, WideResnet

BASE_WIDTH = 16
"""Number of channels in the first stage; each later stage doubles it."""
EXPANSION = 4
"""Number of output channels of a pre-activated bottleneck for each channel inside it."""
# Both numbers are those of the paper's networks for CIFAR.
RESNEXT_STEM_WIDTH = 64
RESNEXT_WIDTH = 256
"""Number of output channels of each bottleneck in the first stage."""


def resnet(spec: Resnet, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `stem`, `stage1` to `stage3` of `block1`, ..., and `head`."""
    layers.start()
    layers.unit("stem", spec.activation, partial(LayerBuilder.conv, channels=BASE_WIDTH, kernel_size=3, bias=False))
    # Depth 6 n + 2: three stages of n blocks of two convolutions, the stem and the head.
    add_stages(layers, (spec.depth - 2) // 6, partial(add_resnet_block, spec))
    layers.pool("global_average")
    return layers.finish(outputs)


def add_resnet_block(spec: Resnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """Appends conv - norm - activation - conv - norm, the sum with the shortcut, and an activation."""
    width = BASE_WIDTH << doubled
    body = stage.branch()
    with body.group("first") as first:
        first.conv(width, 3, stride=stride, bias=False)
        first.norm_and_activation(spec.activation)
    with body.group("second") as second:
        second.dropout("block_before_conv")
        second.conv(width, 3, bias=False)
        second.dropout("block_before_norm")
        second.norm_before_sum()
    shortcut = None if stage.shape == body.shape else Subsample(stage.shape, body.shape, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)


def resnext(spec: Resnext, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `stem`, `stage1` to `stage3` of `block1`, ..., and `head`."""
    layers.start()
    stem = partial(LayerBuilder.conv, channels=RESNEXT_STEM_WIDTH, kernel_size=3, bias=False)
    layers.unit("stem", spec.activation, stem)
    # Depth 9 n + 2: three stages of n blocks of three convolutions, the stem and the head.
    add_stages(layers, (spec.depth - 2) // 9, partial(add_resnext_block, spec))
    layers.pool("global_average")
    return layers.finish(outputs)


def add_resnext_block(spec: Resnext, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """Appends 1x1, grouped 3x3 and 1x1 convolutions with norms, the sum with the shortcut, and an activation."""
    inner = spec.cardinality * spec.width << doubled
    outer = RESNEXT_WIDTH << doubled
    body = stage.branch()
    with body.group("first") as first:
        first.conv(inner, 1, bias=False)
        first.norm_and_activation(spec.activation)
    with body.group("second") as second:
        second.conv(inner, 3, stride=stride, bias=False, groups=spec.cardinality)
        second.norm_and_activation(spec.activation)
    with body.group("third") as third:
        third.dropout("block_before_conv")
        third.conv(outer, 1, bias=False)
        third.dropout("block_before_norm")
        third.norm_before_sum()
    shortcut = None if stage.shape == body.shape else resnext_projection(stage, outer, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)


def resnext_projection(stage: LayerBuilder, channels: int, stride: int) -> Sequential:
    """Builds a shortcut of a 1x1 convolution and its norm (option B)."""
    shortcut = stage.branch()
    shortcut.conv(channels, 1, stride=stride, bias=False)
    shortcut.norm_before_sum()
    return shortcut.sequential()


class Filters(NamedTuple):
    """The size of one convolution in a pre-activated block."""

    channels: int
    kernel_size: int
    stride: int = 1


def preresnet(spec: Preresnet, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `conv`, `stage1` to `stage3` of `block1`, ..., then `norm`, `activation` and `head`."""
    # A bottleneck has three convolutions in each of the three stages, a basic block two; conv and head are 2 more.
    blocks = (spec.depth - 2) // (9 if spec.block == "bottleneck" else 6)
    layers.start()
    layers.conv(BASE_WIDTH, 3, bias=False)
    add_stages(layers, blocks, partial(add_preresnet_block, spec))
    layers.norm_and_activation(spec.activation)
    layers.pool("global_average")
    return layers.finish(outputs)


def add_preresnet_block(spec: Preresnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """Appends a block of two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1 convolutions."""
    width = BASE_WIDTH << doubled
    match spec.block:
        case "basic":
            filters: tuple[Filters, ...] = Filters(width, 3, stride), Filters(width, 3)
        case "bottleneck":
            filters = Filters(width, 1), Filters(width, 3, stride), Filters(EXPANSION * width, 1)
    add_preactivated_block(stage, name, spec.activation, filters)


def wide_resnet(spec: WideResnet, layers: LayerBuilder, outputs: int) -> Sequential:
    """Builds `conv`, `stage1` to `stage3` of `block1`, ..., then `norm`, `activation` and `head`."""
    layers.start()
    layers.conv(BASE_WIDTH, 3, bias=False)
    # The paper's depth 6 n + 4 also counts the 1x1 convolutions of the three shortcuts.
    add_stages(layers, (spec.depth - 4) // 6, partial(add_wide_block, spec))
    layers.norm_and_activation(spec.activation)
    layers.pool("global_average")
    return layers.finish(outputs)


def add_wide_block(spec: WideResnet, stage: LayerBuilder, name: str, doubled: int, stride: int) -> None:
    """Appends a block of two 3x3 convolutions, `width` times as wide as in a preresnet."""
    width = spec.width * BASE_WIDTH << doubled
    add_preactivated_block(stage, name, spec.activation, (Filters(width, 3, stride), Filters(width, 3)))


def add_preactivated_block(
    stage: LayerBuilder, name: str, activation: Activation, convolutions: Sequence[Filters]
) -> None:
    """Appends norm - activation - conv for each convolution, and the sum with the shortcut.

    Where the shape changes, the first norm and activation come before the fork, so that they also precede the
    shortcut's 1x1 convolution (option B; section 4.1 and the appendix of arXiv 1603.05027).
    """
    # At most one convolution of a block has a stride above 1.
    stride = max(filters.stride for filters in convolutions)
    is_projected = stride > 1 or convolutions[-1].channels != stage.shape[0]
    with stage.group(name) as block:
        if is_projected:
            block.norm_and_activation(activation)
        body = block.branch()
        names = ("first", "second", "third")[: len(convolutions)]
        for unit_name, filters in zip(names, convolutions, strict=True):
            with body.group(unit_name) as unit:
                is_last = unit_name == names[-1]
                if is_last:
                    unit.dropout("block_before_norm")
                if unit_name != "first" or not is_projected:
                    unit.norm_and_activation(activation)
                if is_last:
                    unit.dropout("block_before_conv")
                unit.conv(filters.channels, filters.kernel_size, stride=filters.stride, bias=False)
        shortcut = None
        if is_projected:
            projection = block.branch()
            projection.conv(convolutions[-1].channels, 1, stride=stride, bias=False)
            shortcut = projection.sequential()
        block.add("sum", Residual(body.sequential(), shortcut))
