"""Residual networks for small images."""

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Residual, Sequential, Subsample
from bakehouse.recipe.architecture import Resnet

WIDTHS = (16, 32, 64)


def resnet(spec: Resnet, chain: Chain, outputs: int) -> Sequential:
    """`stem`; `stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map; `head`."""
    blocks = (spec.depth - 2) // 6
    chain.start()
    chain.unit("stem", spec.activation, lambda unit: unit.conv(WIDTHS[0], 3, bias=False))
    for number, width in enumerate(WIDTHS, start=1):
        stage = Chain(chain.recipe, chain.shape)
        for position in range(1, blocks + 1):
            stride = 2 if number > 1 and position == 1 else 1
            stage.residual(f"block{position}", block(spec, stage, width, stride), spec.activation)
        chain.add(f"stage{number}", stage.sequential())
    chain.mean_over_map()
    return chain.finish(outputs)


def block(spec: Resnet, chain: Chain, width: int, stride: int) -> Residual:
    """conv - norm - activation - conv - norm; the activation after the sum is the caller's."""
    body = Chain(chain.recipe, chain.shape)
    first = Chain(chain.recipe, body.shape)
    first.conv(width, 3, stride=stride, bias=False)
    first.norm_and_activation(spec.activation)
    body.add("first", first.sequential())
    second = Chain(chain.recipe, body.shape)
    second.dropout("block_before_conv")
    second.conv(width, 3, bias=False)
    second.dropout("block_before_norm")
    if second.norm_is_first:
        second.norm()
    body.add("second", second.sequential())
    unchanged = chain.shape == body.shape
    return Residual(body.sequential(), None if unchanged else Subsample(chain.shape, body.shape, stride))
