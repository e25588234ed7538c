"""Residual networks for small images."""

from functools import partial

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Residual, Sequential, Subsample
from bakehouse.plan.stages import add_stages
from bakehouse.recipe.architecture import Resnet

WIDTH = 16


def resnet(spec: Resnet, chain: Chain, outputs: int) -> Sequential:
    """`stem`; `stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map; `head`."""
    chain.start()
    chain.unit("stem", spec.activation, lambda unit: unit.conv(WIDTH, 3, bias=False))
    add_stages(chain, (spec.depth - 2) // 6, partial(add_block, spec))
    chain.mean_over_map()
    return chain.finish(outputs)


def add_block(spec: Resnet, stage: Chain, name: str, doubled: int, stride: int) -> None:
    """conv - norm - activation - conv - norm, the shortcut added, and the activation after the sum."""
    body = Chain(stage.recipe, stage.shape)
    first = Chain(stage.recipe, body.shape)
    first.conv(WIDTH << doubled, 3, stride=stride, bias=False)
    first.norm_and_activation(spec.activation)
    body.add("first", first.sequential())
    second = Chain(stage.recipe, body.shape)
    second.dropout("block_before_conv")
    second.conv(WIDTH << doubled, 3, bias=False)
    second.dropout("block_before_norm")
    if second.norm_is_first:
        second.norm()
    body.add("second", second.sequential())
    shortcut = None if stage.shape == body.shape else Subsample(stage.shape, body.shape, stride)
    stage.residual(name, Residual(body.sequential(), shortcut), spec.activation)
