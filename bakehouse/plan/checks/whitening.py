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
    data = context.data
    numbers = prod(Normalize(data.shape, whitens=True).statistics) if data.encoding is None else data.encoding.width
    if context.recipe.dataset.normalization == "whiten" and numbers > MAX_WHITENED:
        message = (
            f"whitening needs a matrix of {numbers:,} x {numbers:,} numbers; at most {MAX_WHITENED:,} are whitened"
        )
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


@check("recipe")
def some_columns_are_numbers(context: Context) -> Iterator[Problem]:
    """Refuses to whiten a table of which no input is a number."""
    encoding = context.data.encoding
    if context.recipe.dataset.normalization == "whiten" and encoding is not None and not encoding.numbers:
        message = "whitening mixes numbers and dates, but all inputs are categories"
        yield conflict("/dataset/normalization", message, ("standardize", "min_max", "none"))


@check("recipe")
def epsilon_is_used(context: Context) -> Iterator[Problem]:
    """Refuses whitening_epsilon for a normalization other than whiten."""
    dataset = context.recipe.dataset
    if dataset.whitening_epsilon is not None and dataset.normalization != "whiten":
        message = f"whitening_epsilon is for the normalization whiten; this recipe has {dataset.normalization}"
        yield conflict("/dataset/whitening_epsilon", message, ("null",))
