"""Applies all rules to the outcome of a run."""

import jsonpatch

from bakehouse.plan.plan import make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.verdict.divergence import diverged, diverged_and_recovered, non_finite
from bakehouse.verdict.generalization import overfits
from bakehouse.verdict.layers import (
    dead_units,
    exploding_gradients,
    saturated_units,
    vanishing_gradients,
    variance_shift,
)
from bakehouse.verdict.learning import classes_never_predicted, learned_nothing
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.result import learned
from bakehouse.verdict.rule import Rule
from bakehouse.verdict.stopping import best_is_first_epoch, pruned, still_improving, stopped_too_early
from bakehouse.verdict.validation import best_is_noise
from bakehouse.verdict.verdict import Verdict

RULES: tuple[Rule, ...] = (
    learned_nothing, non_finite,
    diverged, variance_shift, vanishing_gradients, exploding_gradients, saturated_units, dead_units,
    classes_never_predicted, best_is_first_epoch, diverged_and_recovered, overfits, stopped_too_early, still_improving,
    best_is_noise,
    pruned, learned,
)  # fmt: skip
"""All rules, the gravest first: an error before a warning, a cause before its effect, and what was reached last."""


def judge(outcome: Outcome) -> tuple[Verdict, ...]:
    """Returns what is to be said of a run that is over, the gravest first."""
    return tuple(with_valid_patch(verdict, outcome) for rule in RULES for verdict in rule(outcome))


def with_valid_patch(verdict: Verdict, outcome: Outcome) -> Verdict:
    """Returns the verdict without its patch if the patched recipe would be refused."""
    if not verdict.patch:
        return verdict
    plan = outcome.plan
    steps = [step.model_dump(mode="json") for step in verdict.patch]
    try:
        make_plan(read_recipe(jsonpatch.apply_patch(plan.recipe.canonical(), steps)), plan.card, plan.checkpoints)
    except RecipeInvalid:
        return verdict.model_copy(update={"patch": ()})
    return verdict
