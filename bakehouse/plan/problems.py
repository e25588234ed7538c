"""Finds out whether a recipe can be trained."""

from bakehouse.plan.checks import (
    architecture,
    augmentation,
    balance,
    dropout,
    evaluation,
    norm,
    objective,
    pictures,
    sequences,
    training,
    whitening,
)
from bakehouse.plan.context import CHECKS, Context
from bakehouse.plan.sources import hints, teacher, transfer
from bakehouse.recipe.problems import Problem

WITH_CHECKS = (
    pictures, architecture, augmentation, objective, evaluation, dropout, norm, training, whitening, balance,
    sequences, transfer, teacher, hints,
)  # fmt: skip
"""Modules that register their checks when they are imported."""


def find_problems(context: Context) -> list[Problem]:
    """Returns all problems of the first stage that has any."""
    for checks in CHECKS.values():
        problems = [problem for check in checks for problem in check(context)]
        if problems:
            return problems
    return []
