"""What a curriculum cannot do without."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.curriculum import SelfPaced
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


def self_pace_has_epochs(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Between the epochs with all rows at the beginning and those at the end."""
    spec = recipe.curriculum
    if isinstance(spec, SelfPaced) and spec.warmup_epochs >= spec.until * recipe.epochs:
        message = f"of {recipe.epochs} epochs the first {spec.warmup_epochs} take all rows, and so do those from share "
        message += f"{spec.until:g} on: none is left that chooses"
        allowed = (f"< {spec.until * recipe.epochs:g}",)
        yield conflict("/curriculum/warmup_epochs", message, allowed)
