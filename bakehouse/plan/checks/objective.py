"""What the add-ons of the objective, and hints, need of the data and of the rest of the recipe."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty


def attack_has_a_range(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """The columns of a table have no range in common."""
    attack = recipe.objective.adversarial
    if attack is not None and attack.unit == "range" and len(data.shape) != 3:
        message = f"{recipe.dataset.id} holds no images: its numbers need not have one range"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))


def penalty_sees_what_is_trained(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The quadratic form of dropout is of inputs together with what the model makes of them."""
    attack = recipe.objective.adversarial
    if attack is not None and attack.weight == 1 and any(isinstance(i, DropoutPenalty) for i in recipe.regularizer):
        message = "dropout_penalty is of the clean inputs, which are not looked at"
        yield conflict("/objective/adversarial/weight", message, ("< 1",))


def one_teacher(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The second stage of hints is a distillation."""
    if recipe.objective.distillation is not None and isinstance(recipe.pretraining, Hints):
        message = "hints compare probabilities with those of their own teacher; see pretraining.coefficient"
        yield conflict("/objective/distillation", message, ("null",))


def teachers_have_classes(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """There are no probabilities of numbers."""
    if data.classes is not None:
        return
    if recipe.objective.distillation is not None:
        message = f"a teacher's probabilities are of classes; the targets of {recipe.dataset.id} are numbers"
        yield conflict("/objective/distillation", message, ("null",))
    if isinstance(recipe.pretraining, Hints):
        for name in ("coefficient", "final_coefficient"):
            if getattr(recipe.pretraining, name):
                message = f"weighs probabilities of classes; the targets of {recipe.dataset.id} are numbers"
                yield conflict(f"/pretraining/{name}", message, ("0",))
