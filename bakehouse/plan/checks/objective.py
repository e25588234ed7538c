"""Refuses objectives that do not fit their targets."""

from collections.abc import Iterator
from typing import assert_never

from bakehouse.plan.card import Task
from bakehouse.plan.context import Context, check
from bakehouse.recipe.objective import LabelSmoothing, Loss
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty

NOUNS: dict[Task, str] = {"classification": "classes", "regression": "numbers"}


@check("recipe")
def loss_fits_target(context: Context) -> Iterator[Problem]:
    """Classes and numbers have different losses."""
    loss, data, right = context.recipe.objective.loss, context.data, target_losses(context.data.classes)
    if loss not in right:
        kind = f"{len(data.classes)} classes" if data.classes and loss == "binary_cross_entropy" else NOUNS[data.task]
        yield conflict("/objective/loss", f"{loss} does not fit {context.card.id}, whose targets are {kind}", right)


@check("recipe")
def counts_are_not_negative(context: Context) -> Iterator[Problem]:
    """A Poisson variable has no values below 0."""
    lowest = context.data.minimum
    if context.recipe.objective.loss == "poisson" and lowest is not None and lowest < 0:
        message = f"poisson is for numbers from 0 up, and {context.recipe.dataset.target} goes down to {lowest:g}"
        yield conflict("/objective/loss", message, ("squared_error",))


@check("recipe")
def task_losses_fit(context: Context) -> Iterator[Problem]:
    """The same two rules for the further targets."""
    for index, (task, target) in enumerate(zip(context.recipe.objective.tasks, context.data.tasks, strict=True)):
        right, pointer = target_losses(target.classes), f"/objective/tasks/{index}/loss"
        if task.loss not in right:
            kind = "a number" if target.classes is None else f"one of {len(target.classes)} classes"
            yield conflict(pointer, f"{task.loss} does not fit {target.name}, which is {kind}", right)
        elif task.loss == "poisson" and target.minimum is not None and target.minimum < 0:
            message = f"poisson is for numbers from 0 up, and {target.name} goes down to {target.minimum:g}"
            yield conflict(pointer, message, ("squared_error",))


def target_losses(classes: tuple[str, ...] | None) -> tuple[Loss, ...]:
    """The losses that targets of these classes, or of numbers, can have."""
    if classes is None:
        return ("squared_error", "poisson")
    return ("cross_entropy", "binary_cross_entropy") if len(classes) == 2 else ("cross_entropy",)


@check("recipe")
def smoothing_fits(context: Context) -> Iterator[Problem]:
    """Smoothing needs classes, and must leave the true class the most probable one."""
    smoothing, classes = context.recipe.objective.label_smoothing, context.data.classes
    if smoothing is None:
        return
    if classes is None:
        message = f"smooths classes, and {context.card.id} is a regression data set"
        yield conflict("/objective/label_smoothing", message, ("null",))
    elif smoothing.epsilon >= (most := smoothing_bound(smoothing, len(classes))):
        message = f"the true class would no longer have the largest probability ({len(classes)} classes)"
        yield conflict("/objective/label_smoothing/epsilon", message, (f"< {most:g}",))


@check("recipe")
def smoothing_fits_tasks(context: Context) -> Iterator[Problem]:
    """Smoothing is for every target of classes, and must leave the true class the most probable one in each."""
    smoothing = context.recipe.objective.label_smoothing
    if smoothing is None:
        return
    for target in context.data.tasks:
        if target.classes is None:
            continue
        if smoothing.epsilon >= (most := smoothing_bound(smoothing, len(target.classes))):
            message = f"the true class of {target.name} would no longer have the largest probability "
            message += f"({len(target.classes)} classes)"
            yield conflict("/objective/label_smoothing/epsilon", message, (f"< {most:g}",))
            return


def smoothing_bound(smoothing: LabelSmoothing, classes: int) -> float:
    """The smallest epsilon at which the true class is no more probable than another: `1 - e + e/k = e/k` where all
    classes share it, `1 - e = e/(k - 1)` where the wrong ones do."""
    match smoothing.spread:
        case "all_classes":
            return 1.0
        case "wrong_classes":
            return 1 - 1 / classes
        case _:
            assert_never(smoothing.spread)


@check("recipe")
def tasks_fit_ingredients(context: Context) -> Iterator[Problem]:
    """Some ingredients are defined for one target."""
    names = ", ".join(target.name for target in context.data.tasks)
    for pointer, reason in ingredients_of_one_target(context.recipe) if context.data.tasks else ():
        yield conflict(pointer, f"{reason}, and objective.tasks adds more: {names}")


def ingredients_of_one_target(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Their pointers, and the reason."""
    for index, item in enumerate(recipe.augmentation):
        if item.phase == "mixing":
            yield f"/augmentation/{index}", f"{item.type} mixes the labels of one target"
    for pointer, penalty in recipe.find(DropoutPenalty).items():
        yield pointer, f"{penalty.type} is known for one output layer"


@check("recipe")
def attack_has_a_range(context: Context) -> Iterator[Problem]:
    """The columns of a table have no range in common."""
    attack = context.recipe.objective.adversarial
    if attack is not None and attack.unit == "range" and not context.data.is_image:
        message = f"{context.card.id} is {context.data}: its numbers need not have one range"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))
    elif attack is not None and attack.unit == "range" and context.recipe.dataset.normalization == "whiten":
        message = "whitening mixes all pixels, so that a whitened number does not have the range of a pixel"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))


@check("recipe")
def penalty_sees_what_is_trained(context: Context) -> Iterator[Problem]:
    """The quadratic form of dropout needs inputs together with the model's outputs for them."""
    attack = context.recipe.objective.adversarial
    if attack is not None and attack.weight == 1 and context.recipe.find(DropoutPenalty):
        message = "dropout_penalty needs outputs for the clean inputs, and at weight 1 the model does not see these"
        yield conflict("/objective/adversarial/weight", message, ("< 1",))


@check("recipe")
def single_teacher_source(context: Context) -> Iterator[Problem]:
    """The second stage of hints is a distillation."""
    if context.recipe.objective.distillation is not None and isinstance(context.recipe.pretraining, Hints):
        message = "hints already compare probabilities with those of their teacher; see pretraining.coefficient"
        yield conflict("/objective/distillation", message, ("null",))


@check("recipe")
def teachers_have_classes(context: Context) -> Iterator[Problem]:
    """Numbers have no probabilities."""
    if context.data.classes is not None:
        return
    why = f"probabilities of classes; {context.card.id} is a regression data set"
    if context.recipe.objective.distillation is not None:
        yield conflict("/objective/distillation", f"compares {why}", ("null",))
    if isinstance(context.recipe.pretraining, Hints):
        for name in ("coefficient", "final_coefficient"):
            if getattr(context.recipe.pretraining, name):
                yield conflict(f"/pretraining/{name}", f"weights {why}", ("0",))
