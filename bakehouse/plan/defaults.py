"""Defaults that depend on the data or on another field; the canonical recipe shows them."""

from typing import get_args

from bakehouse.plan.card import ResolvedData, Task
from bakehouse.recipe.architecture import (
    Cnn,
    Densenet,
    Fitnet,
    Linear,
    Mlp,
    Preresnet,
    Resnet,
    Resnext,
    Rnn,
    WideResnet,
)
from bakehouse.recipe.augmentation import AnyAugmentation, ColorJitter, Cutout, HorizontalFlip, RandomCrop, ScaleCrop
from bakehouse.recipe.curriculum import AnyCurriculum, Curriculum
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.dropout import AnyDropout, Placement
from bakehouse.recipe.evaluation import Evaluation
from bakehouse.recipe.objective import Loss, Objective
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.schedule import AnySchedule, MultiStep

# After all norms is where dropout does not shift their variances (arXiv 1801.05134).
IN_BLOCKS: tuple[Placement, ...] = ("classifier", "block_before_conv", "block_before_norm", "input")
PLACEMENTS: dict[type, tuple[Placement, ...]] = {
    Linear: ("input", "classifier"),
    Mlp: ("hidden", "input", "classifier"),
    Cnn: ("hidden", "input", "classifier"),
    Fitnet: ("hidden", "input", "classifier"),
    Rnn: ("hidden", "input", "classifier"),
    **dict.fromkeys((Resnet, Preresnet, WideResnet, Resnext, Densenet), IN_BLOCKS),
}
"""Where each architecture can have dropout; the first is the default."""


def fill_in(recipe: Recipe, data: ResolvedData) -> Recipe:
    """The recipe with nothing left to guess."""
    return recipe.model_copy(
        update={
            "dataset": with_epsilon(recipe.dataset, data.shape),
            "objective": spelt_out(recipe.objective, data, whitens=recipe.dataset.normalization == "whiten"),
            "dropout": tuple(placed(item, recipe) for item in recipe.dropout),
            "augmentation": tuple(sized(item, data.shape) for item in recipe.augmentation),
            "curriculum": with_steps(recipe.curriculum),
            "schedule": with_milestones(recipe.schedule, recipe.epochs),
            "evaluation": with_scales(recipe, data.shape),
        }
    )


def with_epsilon(dataset: Dataset, shape: tuple[int, ...]) -> Dataset:
    """What whitening adds to variances: the smallest of an image's are noise, those of a table may be what counts."""
    if dataset.normalization != "whiten" or dataset.whitening_epsilon is not None:
        return dataset
    return dataset.model_copy(update={"whitening_epsilon": 1e-2 if len(shape) == 3 else 1e-5})


def spelt_out(objective: Objective, data: ResolvedData, *, whitens: bool) -> Objective:
    """With a loss, and an attack that leaves no choice."""
    loss = objective.loss or usual_loss(data.task)
    attack = objective.adversarial
    if attack is not None:
        is_long = attack.steps > 1
        step_size = min(2.5 * attack.epsilon / attack.steps, attack.epsilon) if is_long else attack.epsilon
        filled: dict[str, object] = {
            "unit": attack.unit or ("range" if len(data.shape) == 3 and not whitens else "normalized"),
            "step_size": attack.step_size or step_size,
            "random_start": is_long if attack.random_start is None else attack.random_start,
        }
        attack = attack.model_copy(update=filled)
    tasks = tuple(
        task.model_copy(update={"loss": task.loss or usual_loss(target.task)})
        for task, target in zip(objective.tasks, data.tasks, strict=True)
    )
    return objective.model_copy(update={"loss": loss, "adversarial": attack, "tasks": tasks})


def usual_loss(task: Task) -> Loss:
    """Of classes and of numbers."""
    return "cross_entropy" if task == "classification" else "squared_error"


def placed(dropout: AnyDropout, recipe: Recipe) -> AnyDropout:
    """Dropout where this architecture has it by default."""
    default = places(dropout, recipe)[0]
    return dropout.model_copy(update={"placement": dropout.placement or default})


def places(dropout: AnyDropout, recipe: Recipe) -> tuple[Placement, ...]:
    """Where this architecture can have this kind of dropout."""
    [known, _] = get_args(type(dropout).model_fields["placement"].annotation)
    return tuple(place for place in PLACEMENTS[type(recipe.architecture)] if place in get_args(known))


def sized(augmentation: AnyAugmentation, shape: tuple[int, ...]) -> AnyAugmentation:
    """With the sizes that its papers took for images of another size, and with colours where there are any."""
    filled = sizes(augmentation, shape)
    missing = {name: value for name, value in filled.items() if getattr(augmentation, name) is None}
    return augmentation.model_copy(update=missing)


def sizes(augmentation: AnyAugmentation, shape: tuple[int, ...]) -> dict[str, float]:
    """The defaults of one that fit samples of this shape."""
    shorter, longer = min(shape[1:], default=1), max(shape[1:], default=1)
    match augmentation:
        case RandomCrop():
            # 4 pixels of 32, as in He et al. 2016.
            return {"padding": max(1, longer // 8)}
        case ScaleCrop():
            # 256 and 480 pixels for a window of 224, as in Simonyan & Zisserman 2015.
            return {"low": -(-shorter * 8 // 7), "high": -(-shorter * 15 // 7)}
        case Cutout():
            return {"size": max(1, shorter // 2)}
        case ColorJitter():
            has_colors = len(shape) == 3 and shape[0] == 3
            return {"saturation": 0.5 * has_colors, "hue": 0.1 * has_colors}
        case _:
            return {}


def with_scales(recipe: Recipe, shape: tuple[int, ...]) -> Evaluation:
    """Crops around the image's own size, mirrored if training mirrors."""
    crops, side = recipe.evaluation.crops, min(shape[1:], default=1)
    if crops is None:
        return recipe.evaluation
    mirrors = any(isinstance(item, HorizontalFlip) for item in recipe.augmentation)
    filled: dict[str, object] = {
        "scales": crops.scales or tuple(sorted({side, -(-9 * side // 8), -(-10 * side // 8)})),
        "flips": mirrors if crops.flips is None else crops.flips,
    }
    return recipe.evaluation.model_copy(update={"crops": crops.model_copy(update=filled)})


def with_milestones(schedule: AnySchedule, epochs: int) -> AnySchedule:
    """Drops after half and three quarters of the run, as in He et al. 2016."""
    if not isinstance(schedule, MultiStep) or schedule.milestones is not None:
        return schedule
    milestones = tuple(sorted({max(1, epochs // 2), max(1, epochs * 3 // 4)}))
    return schedule.model_copy(update={"milestones": milestones})


def with_steps(curriculum: AnyCurriculum) -> AnyCurriculum:
    """A staircase with four rises."""
    if not isinstance(curriculum, Curriculum) or curriculum.pacing != "step":
        return curriculum
    return curriculum.model_copy(update={"steps": curriculum.steps or 4})
