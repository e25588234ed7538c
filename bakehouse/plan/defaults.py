"""Defaults that depend on the data or on another field; the canonical recipe shows them."""

from typing import get_args

from bakehouse.plan.card import ResolvedData
from bakehouse.recipe.architecture import Cnn, Densenet, Fitnet, Linear, Mlp, Preresnet, Resnet, Resnext, WideResnet
from bakehouse.recipe.augmentation import AnyAugmentation, RandomCrop
from bakehouse.recipe.dropout import AnyDropout, Placement
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.schedule import AnySchedule, MultiStep

# After all norms is where dropout does not shift their variances (arXiv 1801.05134).
IN_BLOCKS: tuple[Placement, ...] = ("classifier", "block_before_conv", "block_before_norm", "input")
PLACEMENTS: dict[type, tuple[Placement, ...]] = {
    Linear: ("input", "classifier"),
    Mlp: ("hidden", "input", "classifier"),
    Cnn: ("hidden", "input", "classifier"),
    Fitnet: ("hidden", "input", "classifier"),
    **dict.fromkeys((Resnet, Preresnet, WideResnet, Resnext, Densenet), IN_BLOCKS),
}
"""Where each architecture can have dropout; the first is the default."""


def fill_in(recipe: Recipe, data: ResolvedData) -> Recipe:
    """The recipe with nothing left to guess."""
    loss = recipe.objective.loss or ("cross_entropy" if data.task == "classification" else "squared_error")
    return recipe.model_copy(
        update={
            "objective": recipe.objective.model_copy(update={"loss": loss}),
            "dropout": tuple(placed(item, recipe) for item in recipe.dropout),
            "augmentation": tuple(sized(item, data.shape) for item in recipe.augmentation),
            "schedule": with_milestones(recipe.schedule, recipe.epochs),
        }
    )


def placed(dropout: AnyDropout, recipe: Recipe) -> AnyDropout:
    """Dropout where this architecture has it by default."""
    default = places(dropout, recipe)[0]
    return dropout.model_copy(update={"placement": dropout.placement or default})


def places(dropout: AnyDropout, recipe: Recipe) -> tuple[Placement, ...]:
    """Where this architecture can have this kind of dropout."""
    [known, _] = get_args(type(dropout).model_fields["placement"].annotation)
    return tuple(place for place in PLACEMENTS[type(recipe.architecture)] if place in get_args(known))


def sized(augmentation: AnyAugmentation, shape: tuple[int, ...]) -> AnyAugmentation:
    """A crop padded by an eighth of the longer side (4 pixels of 32, as in He et al. 2016)."""
    if not isinstance(augmentation, RandomCrop) or augmentation.padding is not None:
        return augmentation
    return augmentation.model_copy(update={"padding": max(1, max(shape[1:], default=1) // 8)})


def with_milestones(schedule: AnySchedule, epochs: int) -> AnySchedule:
    """Drops after half and three quarters of the run, as in He et al. 2016."""
    if not isinstance(schedule, MultiStep) or schedule.milestones is not None:
        return schedule
    milestones = tuple(sorted({max(1, epochs // 2), max(1, epochs * 3 // 4)}))
    return schedule.model_copy(update={"milestones": milestones})
