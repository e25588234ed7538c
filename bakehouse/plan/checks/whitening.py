"""What whitening needs of the data."""

from collections.abc import Iterator
from math import prod

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.layers import Normalize
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

MAX_WHITENED = 4096
"""Numbers with a covariance that is decomposed in about a minute and kept in 64 MiB; photographs of 32 x 32 have
3,072."""


def covariance_is_small(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """The matrix has the square of the numbers."""
    numbers = prod(Normalize(data.shape, whitens=True).statistics)
    if recipe.dataset.normalization == "whiten" and numbers > MAX_WHITENED:
        message = (
            f"whitening takes a matrix of {numbers:,} x {numbers:,} numbers; at most {MAX_WHITENED:,} are whitened"
        )
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


def epsilon_is_used(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Another normalization has no covariance."""
    normalization = recipe.dataset.normalization
    if recipe.dataset.whitening_epsilon is not None and normalization != "whiten":
        message = f"whitening_epsilon is for normalization whiten; this recipe has {normalization}"
        yield conflict("/dataset/whitening_epsilon", message, ("null",))
