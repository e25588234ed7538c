"""Pre-activation residual networks for small images."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Residual, Sequential
from bakehouse.plan.stages import add_stages
from bakehouse.recipe.architecture import Activation, Preresnet

WIDTH = 16
EXPANSION = 4
"""Channels behind a bottleneck for each inside."""
NAMES = ("first", "second", "third")


class Filters(NamedTuple):
    """One convolution of a block."""

    channels: int
    kernel_size: int
    stride: int = 1


def preresnet(spec: Preresnet, chain: Chain, outputs: int) -> Sequential:
    """`conv`; `stage1` to `stage3` of `block1`, ...; `norm` and `activation` of the last sum; `head`."""
    blocks = (spec.depth - 2) // (9 if spec.block == "bottleneck" else 6)
    chain.start()
    chain.conv(WIDTH, 3, bias=False)
    add_stages(chain, blocks, partial(add_block_of, spec))
    chain.norm_and_activation(spec.activation)
    chain.mean_over_map()
    return chain.finish(outputs)


def add_block_of(spec: Preresnet, stage: Chain, name: str, doubled: int, stride: int) -> None:
    """The convolutions of a basic block or of a bottleneck."""
    width = WIDTH << doubled
    match spec.block:
        case "basic":
            add_block(stage, name, spec.activation, basic(width, stride))
        case "bottleneck":
            bottleneck = (Filters(width, 1), Filters(width, 3, stride), Filters(EXPANSION * width, 1))
            add_block(stage, name, spec.activation, bottleneck)


def basic(width: int, stride: int) -> tuple[Filters, ...]:
    """Two 3x3 convolutions."""
    return Filters(width, 3, stride), Filters(width, 3)


def add_block(stage: Chain, name: str, activation: Activation, convolutions: Sequence[Filters]) -> None:
    """norm - activation - conv for each, and the sum.

    Where the shape changes, the first norm and activation stand before the fork, so that the 1x1 convolution of
    the shortcut has them too (section 4.1 and the appendix of arXiv 1603.05027).
    """
    block = Chain(stage.recipe, stage.shape)
    stride = max(filters.stride for filters in convolutions)
    is_projected = stride > 1 or convolutions[-1].channels != stage.shape[0]
    if is_projected:
        block.norm_and_activation(activation)
    body = Chain(stage.recipe, stage.shape)
    names = NAMES[: len(convolutions)]
    for unit_name, filters in zip(names, convolutions, strict=True):
        is_activated = is_projected and unit_name == names[0]
        add_unit(body, unit_name, None if is_activated else activation, filters, is_last=unit_name == names[-1])
    shortcut = projection(block, convolutions[-1].channels, stride) if is_projected else None
    block.add("sum", Residual(body.sequential(), shortcut))
    stage.add(name, block.sequential())


def add_unit(body: Chain, name: str, activation: Activation | None, filters: Filters, *, is_last: bool) -> None:
    """norm - activation - conv, with the block's dropout in the last; without an activation, conv alone."""
    unit = Chain(body.recipe, body.shape)
    if is_last:
        unit.dropout("block_before_norm")
    if activation is not None:
        unit.norm_and_activation(activation)
    if is_last:
        unit.dropout("block_before_conv")
    unit.conv(filters.channels, filters.kernel_size, stride=filters.stride, bias=False)
    body.add(name, unit.sequential())


def projection(block: Chain, channels: int, stride: int) -> Sequential:
    """A 1x1 convolution (option B)."""
    shortcut = Chain(block.recipe, block.shape)
    shortcut.conv(channels, 1, stride=stride, bias=False)
    return shortcut.sequential()
