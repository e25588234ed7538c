"""Refuses objectives that do not fit their targets."""

from collections.abc import Iterator
from typing import assert_never

from bakehouse.plan.context import Context, check
from bakehouse.plan.targets import MAIN, Target
from bakehouse.recipe.objective import LabelSmoothing, Loss
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty


@check("recipe")
def loss_fits_target(context: Context) -> Iterator[Problem]:
    """Refuses a loss for classes if the targets are numbers, and a loss for numbers if they are classes."""
    for target in context.data.targets:
        right = target_losses(target.classes)
        if target.loss not in right:
            kind = "a number" if target.classes is None else f"one of {len(target.classes)} classes"
            message = f"{target.loss} does not fit {name_of(target, context)}, which is {kind}"
            yield conflict(f"{target.pointer}/loss", message, right)


@check("recipe")
def counts_are_not_negative(context: Context) -> Iterator[Problem]:
    """Refuses the poisson loss for targets below 0."""
    for target in context.data.targets:
        if target.loss == "poisson" and target.minimum is not None and target.minimum < 0:
            message = (
                f"poisson is for numbers from 0 up, and {name_of(target, context)} goes down to {target.minimum:g}"
            )
            yield conflict(f"{target.pointer}/loss", message, ("squared_error",))


def name_of(target: Target, context: Context) -> str:
    return target.name if target.name != MAIN else f"the target of {context.card.id}"


def target_losses(classes: tuple[str, ...] | None) -> tuple[Loss, ...]:
    """Returns the losses that fit targets of these classes, or numbers if `classes` is None."""
    if classes is None:
        return ("squared_error", "poisson")
    return ("cross_entropy", "binary_cross_entropy") if len(classes) == 2 else ("cross_entropy",)


@check("recipe")
def smoothing_fits(context: Context) -> Iterator[Problem]:
    """Refuses smoothing without classes, or so much that a target's true class is no longer the most probable one."""
    smoothing = context.recipe.objective.label_smoothing
    if smoothing is None:
        return
    if context.data.main.classes is None:
        message = f"smooths class labels, but {context.card.id} is a regression data set"
        yield conflict("/objective/label_smoothing", message, ("null",))
        return
    for target in context.data.targets:
        if target.classes is None:
            continue
        if smoothing.epsilon >= (most := smoothing_bound(smoothing, len(target.classes))):
            name = "" if target.index == 0 else f" of {target.name}"
            message = (
                f"the true class{name} would no longer have the largest probability ({len(target.classes)} classes)"
            )
            yield conflict("/objective/label_smoothing/epsilon", message, (f"< {most:g}",))
            return


def smoothing_bound(smoothing: LabelSmoothing, classes: int) -> float:
    """Returns the smallest epsilon at which the true class is no more probable than another: `1 - e + e/k = e/k` if it
    is spread over all classes, `1 - e = e/(k - 1)` if over the wrong ones."""
    match smoothing.spread:
        case "all_classes":
            return 1.0
        case "wrong_classes":
            return 1 - 1 / classes
        case _:
            assert_never(smoothing.spread)


@check("recipe")
def tasks_fit_ingredients(context: Context) -> Iterator[Problem]:
    """Refuses ingredients that are defined for a single target if the recipe has more."""
    names = ", ".join(target.name for target in context.data.further)
    for pointer, reason in ingredients_of_one_target(context.recipe) if context.data.further else ():
        yield conflict(pointer, f"{reason}, and objective.tasks adds more: {names}")


def ingredients_of_one_target(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yields a pointer to each ingredient that allows only one target, and the reason."""
    for index, item in enumerate(recipe.augmentation):
        if item.phase == "mixing":
            yield f"/augmentation/{index}", f"{item.type} mixes the labels of one target"
    for pointer, penalty in recipe.find(DropoutPenalty).items():
        yield pointer, f"{penalty.type} is known for one output layer"


@check("recipe")
def attack_has_a_range(context: Context) -> Iterator[Problem]:
    """Refuses the unit `range` for tables, sequences and whitened inputs, whose values have no common range."""
    attack = context.recipe.objective.adversarial
    if attack is not None and attack.unit == "range" and not context.data.is_image:
        message = f"{context.card.id} is {context.data}: its numbers need not have one range"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))
    elif attack is not None and attack.unit == "range" and context.recipe.dataset.normalization == "whiten":
        message = "whitening mixes all pixels, so that a whitened number does not have the range of a pixel"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))


@check("recipe")
def penalty_sees_what_is_trained(context: Context) -> Iterator[Problem]:
    """Refuses dropout_penalty if the model sees only adversarial inputs: it needs outputs for clean ones."""
    attack = context.recipe.objective.adversarial
    if attack is not None and attack.weight == 1 and context.recipe.find(DropoutPenalty):
        message = "dropout_penalty needs outputs for the clean inputs, and at weight 1 the model does not see these"
        yield conflict("/objective/adversarial/weight", message, ("< 1",))


@check("recipe")
def single_teacher_source(context: Context) -> Iterator[Problem]:
    """Refuses distillation together with hints, whose second stage already is a distillation."""
    if context.recipe.objective.distillation is not None and isinstance(context.recipe.pretraining, Hints):
        message = "hints already compare probabilities with those of their teacher; see pretraining.coefficient"
        yield conflict("/objective/distillation", message, ("null",))


@check("recipe")
def teachers_have_classes(context: Context) -> Iterator[Problem]:
    """Refuses to compare class probabilities with a teacher's in regression, where models give no probabilities."""
    if context.data.main.classes is not None:
        return
    why = f"probabilities of classes; {context.card.id} is a regression data set"
    if context.recipe.objective.distillation is not None:
        yield conflict("/objective/distillation", f"compares {why}", ("null",))
    if isinstance(context.recipe.pretraining, Hints):
        for name in ("coefficient", "final_coefficient"):
            if getattr(context.recipe.pretraining, name):
                yield conflict(f"/pretraining/{name}", f"weights {why}", ("0",))
