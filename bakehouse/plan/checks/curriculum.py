"""What a curriculum cannot do without."""

from collections.abc import Iterator

from bakehouse.plan.card import DatasetCard, ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.plan.teacher import (
    class_differences,
    column_differences,
    feature_names,
    shape_differences,
    unit_differences,
)
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.curriculum import Curriculum, SelfPaced, Teacher
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


def scorer_in(recipe: Recipe) -> SavedCheckpoint | None:
    """The trained model that tells hard rows from easy ones."""
    if isinstance(recipe.curriculum, Curriculum) and isinstance(recipe.curriculum.scorer, Teacher):
        return recipe.curriculum.scorer.teacher
    return None


def scorer_problems(
    recipe: Recipe, data: ResolvedData, card: DatasetCard, teacher: Recipe, taught: ResolvedData, seen: DatasetCard
) -> Iterator[Problem]:
    """`taught` and `seen` are what the teacher learnt, and from which set."""
    checkpoint = scorer_in(recipe)
    differences = [
        *shape_differences(data, taught),
        *unit_differences(card, seen),
        *column_differences(feature_names(recipe, card), feature_names(teacher, seen)),
        *class_differences(data.classes, taught.classes),
        *(["it predicts classes, not numbers"] if data.classes is None and taught.classes is not None else ()),
        *(["it learnt several targets"] if taught.tasks else ()),
    ]
    for difference in differences[:1]:
        message = f"{checkpoint.run if checkpoint else ''} cannot tell how hard rows of {card.id} are: {difference}"
        yield conflict("/curriculum/scorer/teacher", message)
