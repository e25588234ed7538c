"""Wide residual networks."""

from functools import partial

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Sequential
from bakehouse.plan.preresnet import WIDTH, add_block, basic
from bakehouse.plan.stages import add_stages
from bakehouse.recipe.architecture import WideResnet


def wide_resnet(spec: WideResnet, chain: Chain, outputs: int) -> Sequential:
    """`conv`; `stage1` to `stage3` of `block1`, ...; `norm` and `activation` of the last sum; `head`."""
    chain.start()
    chain.conv(WIDTH, 3, bias=False)
    add_stages(chain, (spec.depth - 4) // 6, partial(add_wide_block, spec))
    chain.norm_and_activation(spec.activation)
    chain.mean_over_map()
    return chain.finish(outputs)


def add_wide_block(spec: WideResnet, stage: Chain, name: str, doubled: int, stride: int) -> None:
    """The basic block, wider."""
    add_block(stage, name, spec.activation, basic(spec.width * WIDTH << doubled, stride))
