"""What several targets ask of a recipe, and what they do not go together with."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.augmentation import Cutmix, Mixup
from bakehouse.recipe.objective import Loss
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty


def task_losses_fit(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """As for the data set's own target."""
    for place, (task, target) in enumerate(zip(recipe.objective.tasks, data.tasks, strict=True)):
        right, pointer = target_losses(target.classes), f"/objective/tasks/{place}/loss"
        if task.loss not in right:
            kind = "numbers" if target.classes is None else f"{len(target.classes)} classes"
            yield conflict(pointer, f"{task.loss} does not fit {target.name}, which is {kind}", right)
        elif task.loss == "poisson" and target.minimum is not None and target.minimum < 0:
            message = f"poisson is for numbers from 0 up, and {target.name} goes down to {target.minimum:g}"
            yield conflict(pointer, message, ("squared_error",))


def target_losses(classes: tuple[str, ...] | None) -> tuple[Loss, ...]:
    """Those that targets of this kind can have."""
    if classes is None:
        return ("squared_error", "poisson")
    return ("cross_entropy", "binary_cross_entropy") if len(classes) == 2 else ("cross_entropy",)


def smoothing_fits_tasks(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Smoothing is for every target of classes, and must leave the right class the most likely in each."""
    smoothing = recipe.objective.label_smoothing
    if smoothing is None or smoothing.spread != "wrong_classes":
        return
    for target in data.tasks:
        if target.classes is not None and smoothing.epsilon >= (most := 1 - 1 / len(target.classes)):
            message = f"the right class would not be the likeliest of the {len(target.classes)} of {target.name}"
            yield conflict("/objective/label_smoothing/epsilon", message, (f"< {most:g}",))
            return


def tasks_fit_ingredients(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Ingredients that know one target."""
    named = ", ".join(target.name for target in data.tasks)
    for pointer, reason in ingredients_of_one_target(recipe) if data.tasks else ():
        yield conflict(pointer, f"{reason}, and objective.tasks has more: {named}")


def ingredients_of_one_target(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Where they stand, and what they do."""
    for index, item in enumerate(recipe.augmentation):
        if isinstance(item, Mixup | Cutmix):
            yield f"/augmentation/{index}", f"{item.type} mixes the labels of one target"
    for index, penalty in enumerate(recipe.regularizer):
        if isinstance(penalty, DropoutPenalty):
            yield f"/regularizer/{index}", f"{penalty.type} is known for one output layer"
