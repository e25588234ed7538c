"""Fills in the defaults that depend on the data or on another field.

Each function returns the recipe's own value, or the default if the recipe gives none. `fill_in` writes all of them
into the canonical recipe. The worker calls the same functions, whose results are never None.
"""

from typing import Literal, get_args

from bakehouse.plan.pictures import common_crop, short_side
from bakehouse.plan.targets import ResolvedData
from bakehouse.recipe.augmentation import AnyAugmentation, ColorJitter, Cutout, HorizontalFlip, RandomCrop, ScaleCrop
from bakehouse.recipe.curriculum import AnyCurriculum, Curriculum
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.dropout import AnyDropout, Placement
from bakehouse.recipe.evaluation import Crops, Evaluation
from bakehouse.recipe.objective import Adversarial, Objective
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.schedule import AnySchedule, MultiStep

Shape = tuple[int, ...]


def fill_in(recipe: Recipe, data: ResolvedData) -> Recipe:
    """Returns the recipe with every default filled in."""
    return recipe.model_copy(
        update={
            "dataset": with_epsilon(recipe.dataset, data),
            "objective": with_losses(recipe, data),
            "dropout": tuple(with_placement(item, recipe) for item in recipe.dropout),
            "augmentation": with_window(recipe, data.shape),
            "curriculum": with_steps(recipe.curriculum),
            "schedule": with_milestones(recipe.schedule, recipe.epochs),
            "evaluation": with_scales(recipe, data.shape),
        }
    )


def with_epsilon(dataset: Dataset, data: ResolvedData) -> Dataset:
    """Fills in the epsilon of whitening, which is larger for images, whose smallest variances are noise."""
    if dataset.normalization != "whiten":
        return dataset
    return dataset.model_copy(
        update={"whitening_epsilon": dataset.whitening_epsilon or (1e-2 if data.is_image else 1e-5)}
    )


def with_losses(recipe: Recipe, data: ResolvedData) -> Objective:
    objective = recipe.objective
    attack = recipe.objective.adversarial
    filled: dict[str, object] = {
        "loss": data.main.loss,
        "tasks": tuple(
            task.model_copy(update={"loss": target.loss})
            for task, target in zip(objective.tasks, data.further, strict=True)
        ),
    }
    if attack is not None:
        values = {
            "unit": attack_unit(recipe, attack, data),
            "step_size": step_size(attack),
            "random_start": is_random(attack),
        }
        filled["adversarial"] = attack.model_copy(update=values)
    return objective.model_copy(update=filled)


def attack_unit(recipe: Recipe, attack: Adversarial, data: ResolvedData) -> Literal["range", "normalized"]:
    has_range = data.is_image and recipe.dataset.normalization != "whiten"
    return attack.unit or ("range" if has_range else "normalized")


def step_size(attack: Adversarial) -> float:
    """Returns the step size: epsilon for a single step; several steps add up to 2.5 epsilon (Madry et al. 2018)."""
    if attack.steps == 1:
        return attack.step_size or attack.epsilon
    return attack.step_size or min(2.5 * attack.epsilon / attack.steps, attack.epsilon)


def is_random(attack: Adversarial) -> bool:
    """Whether the attack begins at a random point within epsilon; on by default if it has several steps."""
    return attack.steps > 1 if attack.random_start is None else attack.random_start


def with_placement(dropout: AnyDropout, recipe: Recipe) -> AnyDropout:
    default = places(dropout, recipe)[0]
    return dropout.model_copy(update={"placement": dropout.placement or default})


def places(dropout: AnyDropout, recipe: Recipe) -> tuple[Placement, ...]:
    """Returns the placements that this kind of dropout can have in the recipe's architecture."""
    # The annotation is a Literal or None, so its first part holds the placements.
    [known, _] = get_args(type(dropout).model_fields["placement"].annotation)
    return tuple(place for place in recipe.architecture.dropout_places if place in get_args(known))


def with_window(recipe: Recipe, shape: Shape) -> tuple[AnyAugmentation, ...]:
    """Fills in sizes in pixels, and the window of the augmentation that cuts it out of photographs of any size."""
    items = [with_sizes(item, shape) for item in recipe.augmentation]
    if common_crop(recipe) is not None and len(shape) == 3:
        items[0] = items[0].model_copy(update={"size": shape[1]})
    return tuple(items)


def with_sizes(augmentation: AnyAugmentation, shape: Shape) -> AnyAugmentation:
    """Fills in sizes in pixels, in the proportions to the image that the papers used."""
    match augmentation:
        case RandomCrop():
            return augmentation.model_copy(update={"padding": crop_padding(augmentation, shape)})
        case ScaleCrop():
            low, high = resize_range(augmentation, shape)
            return augmentation.model_copy(update={"low": low, "high": high})
        case Cutout():
            return augmentation.model_copy(update={"size": cutout_size(augmentation, shape)})
        case ColorJitter():
            saturation, hue = color_strengths(augmentation, shape)
            return augmentation.model_copy(update={"saturation": saturation, "hue": hue})
        case _:
            return augmentation


def crop_padding(spec: RandomCrop, shape: Shape) -> int:
    """Returns the padding, by default an eighth of the side: 4 of 32 pixels in He et al. 2016."""
    return spec.padding or max(1, max(shape[1:], default=1) // 8)


def resize_range(spec: ScaleCrop, shape: Shape) -> tuple[int, int]:
    """Returns the range of sizes, by default as 256 to 480 for a window of 224 (Simonyan & Zisserman 2015)."""
    shorter = min(shape[1:], default=1)
    # 256 / 224 is 8 / 7 and 480 / 224 is 15 / 7; both are rounded up.
    return spec.low or short_side(shorter), spec.high or -(-shorter * 15 // 7)


def cutout_size(spec: Cutout, shape: Shape) -> int:
    """Returns the square's side, by default half of the image's: 16 of 32 pixels in DeVries & Taylor 2017."""
    return spec.size or max(1, min(shape[1:], default=1) // 2)


def color_strengths(spec: ColorJitter, shape: Shape) -> tuple[float, float]:
    """Returns the strengths for saturation and hue, by default 0 for images without colours."""
    has_colors = len(shape) == 3 and shape[0] == 3
    return (
        0.5 * has_colors if spec.saturation is None else spec.saturation,
        0.1 * has_colors if spec.hue is None else spec.hue,
    )


def with_scales(recipe: Recipe, shape: Shape) -> Evaluation:
    """Fills in the scales of the crops, and that they are mirrored if training mirrors."""
    crops = recipe.evaluation.crops
    if crops is None:
        return recipe.evaluation
    filled: dict[str, object] = {
        "scales": crop_scales(crops, shape),
        "flips": bool(recipe.find(HorizontalFlip)) if crops.flips is None else crops.flips,
    }
    return recipe.evaluation.model_copy(update={"crops": crops.model_copy(update=filled)})


def crop_scales(crops: Crops, shape: Shape) -> tuple[int, ...]:
    """Returns the scales, by default 1, 1.125 and 1.25 times the image's own size."""
    side = min(shape[1:], default=1)
    # In a tiny image two scales may be the same number of pixels, and would be evaluated twice.
    return crops.scales or tuple(sorted({side, -(-9 * side // 8), -(-10 * side // 8)}))


def with_milestones(schedule: AnySchedule, epochs: int) -> AnySchedule:
    if not isinstance(schedule, MultiStep):
        return schedule
    return schedule.model_copy(update={"milestones": milestones(schedule, epochs)})


def milestones(schedule: MultiStep, epochs: int) -> tuple[int, ...]:
    """Returns the epochs of the drops, by default after half and three quarters of the run (He et al. 2016)."""
    # In a run of one or two epochs, both drops fall on the same epoch.
    return schedule.milestones or tuple(sorted({max(1, epochs // 2), max(1, epochs * 3 // 4)}))


def with_steps(curriculum: AnyCurriculum) -> AnyCurriculum:
    if not isinstance(curriculum, Curriculum) or curriculum.pacing != "step":
        return curriculum
    return curriculum.model_copy(update={"steps": rises(curriculum)})


def rises(curriculum: Curriculum) -> int:
    """Returns the number of steps of the curriculum, by default 4."""
    return curriculum.steps or 4
