"""Refuses losses that do not fit their targets."""

from collections.abc import Iterator
from typing import assert_never

from bakehouse.plan.card import ResolvedData, Task
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.augmentation import Cutmix, Mixup
from bakehouse.recipe.objective import LabelSmoothing, Loss
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
    elif attack is not None and attack.unit == "range" and recipe.dataset.normalization == "whiten":
        message = "whitening mixes all pixels: what one of them may change is no range of the whitened inputs"
        yield conflict("/objective/adversarial/unit", message, ("normalized",))


def penalty_sees_what_is_trained(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The quadratic form of dropout is of inputs together with what the model makes of them."""
    attack = recipe.objective.adversarial
    if attack is not None and attack.weight == 1 and any(isinstance(i, DropoutPenalty) for i in recipe.regularizer):
        message = "dropout_penalty is of the clean inputs, which are not looked at"
        yield conflict("/objective/adversarial/weight", message, ("< 1",))


def single_teacher_source(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
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


NOUNS: dict[Task, str] = {"classification": "classes", "regression": "numbers"}


def loss_fits_target(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Classes and numbers have losses of their own."""
    loss, right = recipe.objective.loss, target_losses(data.classes)
    if loss not in right:
        kind = f"{len(data.classes)} classes" if data.classes and loss == "binary_cross_entropy" else NOUNS[data.task]
        yield conflict("/objective/loss", f"{loss} does not fit {recipe.dataset.id}, whose targets are {kind}", right)


def counts_are_not_negative(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A Poisson variable has no values below 0."""
    if recipe.objective.loss == "poisson" and data.minimum is not None and data.minimum < 0:
        message = f"poisson is for numbers from 0 up, and {recipe.dataset.target} goes down to {data.minimum:g}"
        yield conflict("/objective/loss", message, ("squared_error",))


def smoothing_fits(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Smoothing needs classes, and must leave the right class the most likely."""
    smoothing = recipe.objective.label_smoothing
    if smoothing is None:
        return
    if data.classes is None:
        yield conflict("/objective/label_smoothing", "only for cross_entropy: there are no classes to smooth")
    elif smoothing.epsilon >= (most := smoothing_bound(smoothing, len(data.classes))):
        yield conflict(
            "/objective/label_smoothing/epsilon",
            f"the right class would not be the likeliest of {len(data.classes)}",
            (f"< {most:g}",),
        )


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
    if smoothing is None:
        return
    for target in data.tasks:
        if target.classes is None:
            continue
        if smoothing.epsilon >= (most := smoothing_bound(smoothing, len(target.classes))):
            message = f"the right class would not be the likeliest of the {len(target.classes)} of {target.name}"
            yield conflict("/objective/label_smoothing/epsilon", message, (f"< {most:g}",))
            return


def smoothing_bound(smoothing: LabelSmoothing, classes: int) -> float:
    """The least epsilon at which the right class is no likelier than another: `1 - e + e/k = e/k` where all classes
    share it, `1 - e = e/(k - 1)` where the wrong ones do."""
    match smoothing.spread:
        case "all_classes":
            return 1.0
        case "wrong_classes":
            return 1 - 1 / classes
        case _:
            assert_never(smoothing.spread)


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
