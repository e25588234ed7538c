"""Linear models."""

from bakehouse.plan.chain import Chain
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import Linear


def linear(_: Linear, chain: Chain, outputs: int) -> Sequential:
    """Inputs straight to outputs."""
    chain.start()
    chain.flatten()
    return chain.finish(outputs)
