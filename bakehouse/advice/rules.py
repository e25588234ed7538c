"""Applies all rules of advice to a recipe."""

from collections.abc import Iterator

from bakehouse.advice import (
    augmentation,
    columns,
    curriculum,
    dropout,
    evaluation,
    folds,
    norm,
    objective,
    regularizer,
    sequences,
    tasks,
    training,
    transfer,
)  # fmt: skip
from bakehouse.advice.advice import Advice
from bakehouse.advice.rule import RULES, Rule
from bakehouse.plan.plan import Plan
from bakehouse.recipe.ingredient import Ingredient

WITH_RULES = (
    regularizer, dropout, evaluation, norm, sequences, training, augmentation, tasks, objective, curriculum, transfer,
    columns, folds,
)  # fmt: skip
"""Modules that register their rules when they are imported."""
SEVERITIES = ("error", "warning", "info")


def advise(plan: Plan) -> list[Advice]:
    """Returns what the literature says about this combination of ingredients, the most severe first."""
    found = [advice for rule in RULES for advice in rule(plan)]
    # The sort is stable: advice of one severity keeps the order in which its rules were registered.
    return sorted(found, key=lambda advice: SEVERITIES.index(advice.severity))


def all_rules() -> Iterator[Rule]:
    """Yields all rules, in the order in which they were registered."""
    yield from RULES


def rules_about(kind: type[Ingredient]) -> Iterator[Rule]:
    """Yields the rules that look at one kind of ingredient."""
    return (rule for rule in RULES if kind in rule.about)
