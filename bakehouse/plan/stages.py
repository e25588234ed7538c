"""The three stages of networks for small images."""

from collections.abc import Callable

from bakehouse.plan.chain import Chain

STAGES = (1, 2, 3)


def add_stages(chain: Chain, blocks: int, add_block: Callable[[Chain, str, int, int], None]) -> None:
    """`stage1` to `stage3` of `block1`, ..., the first of each later stage halving the map.

    `add_block` takes the stage so far, the block's name, how often the channels have doubled, and the stride.
    """
    for number in STAGES:
        stage = Chain(chain.recipe, chain.shape)
        for position in range(1, blocks + 1):
            stride = 2 if number > 1 and position == 1 else 1
            add_block(stage, f"block{position}", number - 1, stride)
        chain.add(f"stage{number}", stage.sequential())
