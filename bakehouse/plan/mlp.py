"""Multi-layer perceptrons."""

from functools import partial

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Mlp


def mlp(spec: Mlp, chain: Chain, outputs: int) -> Sequential:
    """`hidden1`, `hidden2`, ..., each linear - norm - activation - dropout, then `head`."""
    chain.start()
    chain.flatten()
    for number, width in enumerate(spec.hidden, start=1):
        chain.unit(f"hidden{number}", spec.activation, partial(Chain.linear, width=width))
    return chain.finish(outputs)
