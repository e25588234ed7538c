"""Computes what each ingredient is worth, from the arms of an ablation or a factorial."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from bakehouse.experiments.answer import ArmResult, Effect
from bakehouse.experiments.fairness import objective_problem
from bakehouse.experiments.measured import ComparisonQuestion
from bakehouse.experiments.statistics import Comparison, adjust, compare, judge, largest
from bakehouse.experiments.words import note_of
from bakehouse.recipe.evaluation import is_higher_better

Levels = tuple[bool, ...]
Values = Mapping[str, float]
"""The values of an arm by seed, or by seed and fold."""


def compute_effects(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> tuple[Effect, ...]:
    """Returns the effects that a design asks for; none while a combination has no value."""
    match question.design:
        case "ablation":
            return ingredient_effects(question, arms)
        case "factorial":
            return factorial_effects(question, arms)
        case _:
            return ()


def ingredient_effects(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> tuple[Effect, ...]:
    """Returns what each ingredient is worth: the differences from the recipe, the other way round."""
    effects = []
    for arm in arms:
        if arm.difference is None:
            continue
        found = arm.difference
        effects.append(
            Effect(
                type="ingredient",
                ingredients=(arm.name.removeprefix("without "),),
                n=found.n,
                mean=-found.mean,
                interval=None if found.interval is None else (-found.interval[1], -found.interval[0]),
                p=found.p,
                p_adjusted=found.p_adjusted,
                verdict=judge(-found.mean, found.p_adjusted, higher_is_better=is_higher_better(question.metric)),
                note=found.note,
            )
        )
    return tuple(effects)


def factorial_effects(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> tuple[Effect, ...]:
    """Returns the main effects, and the interactions of two ingredients."""
    cells = {facts.levels: arm.values for arm, facts in zip(arms, question.arms, strict=True)}
    places = shared_places(list(cells.values()))
    if not places or any(objective_problem(facts, question.arms[0], question.metric) for facts in question.arms):
        return ()
    scale = max(largest(list(values.values())) for values in cells.values())
    has_noise = any(len({values[place] for place in places}) > 1 for values in cells.values())
    factors = range(len(question.factors))
    chosen = [*combinations(factors, 1), *combinations(factors, 2)]
    found = [
        compare(contrasts(cells, places, factor), scale=scale, has_noise=has_noise, folds=question.folds)
        for factor in chosen
    ]
    adjusted = adjust([each.p for each in found])
    return tuple(
        effect_of(question, factor, comparison, p, len(chosen))
        for factor, comparison, p in zip(chosen, found, adjusted, strict=True)
    )


def shared_places(cells: Sequence[Values]) -> list[str]:
    """Returns the seeds, or seeds and folds, that have a value in every cell."""
    return [place for place in cells[0] if all(place in values for values in cells)] if cells else []


def contrasts(cells: Mapping[Levels, Values], places: Sequence[str], factors: Sequence[int]) -> list[float]:
    """Returns for each place the effect of one factor, or the interaction of several: the sum of all cells, each with
    the product of its factors' signs, over 2^(k-1) (Box, Hunter & Hunter 2005, Statistics for Experimenters, 5)."""
    signs = {levels: math.prod(1 if levels[factor] else -1 for factor in factors) for levels in cells}
    return [
        math.fsum(sign * cells[levels][place] for levels, sign in signs.items()) / (len(cells) / 2) for place in places
    ]


def effect_of(
    question: ComparisonQuestion, factors: Sequence[int], found: Comparison, p_adjusted: float | None, comparisons: int
) -> Effect:
    return Effect(
        type="main" if len(factors) == 1 else "interaction",
        ingredients=tuple(question.factors[factor] for factor in factors),
        n=found.n,
        mean=found.mean,
        interval=found.interval,
        p=found.p,
        p_adjusted=p_adjusted,
        verdict=judge(found.mean, p_adjusted, higher_is_better=is_higher_better(question.metric)),
        note=note_of(found, p_adjusted, comparisons),
    )
