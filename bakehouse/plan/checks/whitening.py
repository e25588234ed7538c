"""Refuses whitening that does not fit the data."""

from collections.abc import Iterator
from math import prod

from bakehouse.plan.context import Context, check
from bakehouse.plan.layers import Normalize
from bakehouse.recipe.problems import Problem, conflict

MAX_WHITENED = 4096
"""The covariance of this many numbers is decomposed in about a minute and takes 64 MiB; images of 3 x 32 x 32 have
3,072."""


@check("recipe")
def covariance_is_small(context: Context) -> Iterator[Problem]:
    """The size of the matrix is the square of the numbers that are whitened together."""
    numbers = prod(Normalize(context.data.shape, whitens=True).statistics)
    if context.recipe.dataset.normalization == "whiten" and numbers > MAX_WHITENED:
        message = (
            f"whitening needs a matrix of {numbers:,} x {numbers:,} numbers; at most {MAX_WHITENED:,} are whitened"
        )
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


@check("recipe")
def epsilon_is_used(context: Context) -> Iterator[Problem]:
    """No other normalization has a covariance."""
    dataset = context.recipe.dataset
    if dataset.whitening_epsilon is not None and dataset.normalization != "whiten":
        message = f"whitening_epsilon is for the normalization whiten; this recipe has {dataset.normalization}"
        yield conflict("/dataset/whitening_epsilon", message, ("null",))
