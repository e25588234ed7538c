"""Refuses whitening that does not fit the data."""

from collections.abc import Iterator
from math import prod

from bakehouse.plan.context import Context, check
from bakehouse.plan.layers import Normalize
from bakehouse.recipe.problems import Problem, conflict

MAX_WHITENED = 4096
"""Limit on the values that are whitened together. At the limit, decomposing their covariance matrix takes about a
minute and 64 MiB. Images of 3 x 32 x 32 have 3,072 values."""


@check("recipe")
def covariance_is_small(context: Context) -> Iterator[Problem]:
    """Refuses to whiten so many values together that their covariance matrix would be too large."""
    numbers = prod(Normalize(context.data.shape, whitens=True).statistics)
    if context.recipe.dataset.normalization == "whiten" and numbers > MAX_WHITENED:
        message = (
            f"whitening needs a matrix of {numbers:,} x {numbers:,} numbers; at most {MAX_WHITENED:,} are whitened"
        )
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


@check("recipe")
def columns_are_numbers(context: Context) -> Iterator[Problem]:
    """Refuses to whiten a table with categories, dates or empty cells, whose features are not all numbers."""
    others = [each.name for each in context.data.inputs if each.is_encoded]
    if context.recipe.dataset.normalization == "whiten" and others:
        shown = ", ".join(others[:10])
        message = f"whitening takes numbers without empty cells, but categories, dates or empty cells are in: {shown}"
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


@check("recipe")
def epsilon_is_used(context: Context) -> Iterator[Problem]:
    """Refuses whitening_epsilon for a normalization other than whiten."""
    dataset = context.recipe.dataset
    if dataset.whitening_epsilon is not None and dataset.normalization != "whiten":
        message = f"whitening_epsilon is for the normalization whiten; this recipe has {dataset.normalization}"
        yield conflict("/dataset/whitening_epsilon", message, ("null",))
