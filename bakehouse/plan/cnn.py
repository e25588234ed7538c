"""Plain convolutional networks."""

from functools import partial

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Cnn


def cnn(spec: Cnn, chain: Chain, outputs: int) -> Sequential:
    """`stage1`, `stage2`, ... of `conv1`, `conv2`, ... and `pool`; `hidden1`, ...; `head`."""
    chain.start()
    for number, channels in enumerate(spec.channels, start=1):
        stage = Chain(chain.recipe, chain.shape)
        for position in range(1, spec.convolutions + 1):
            conv = partial(Chain.conv, channels=channels, kernel_size=spec.kernel_size)
            stage.unit(f"conv{position}", spec.activation, conv)
        stage.pool()
        chain.add(f"stage{number}", stage.sequential())
    chain.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        chain.unit(f"hidden{number}", spec.activation, partial(Chain.linear, width=width))
    return chain.finish(outputs)
