"""Defaults that depend on the data or on another field; the canonical recipe shows them."""

from bakehouse.plan.card import ResolvedData
from bakehouse.recipe.architecture import Cnn, Linear, Mlp, Resnet
from bakehouse.recipe.augmentation import AnyAugmentation, RandomCrop
from bakehouse.recipe.dropout import AnyDropout, Placement
from bakehouse.recipe.recipe import Recipe

PLACEMENTS: dict[type, tuple[Placement, ...]] = {
    Linear: ("input", "classifier"),
    Mlp: ("hidden", "input", "classifier"),
    Cnn: ("hidden", "input", "classifier"),
    # After all norms is where dropout does not shift their variances (arXiv 1801.05134).
    Resnet: ("classifier", "input", "block_before_norm", "block_before_conv"),
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
        }
    )


def placed(dropout: AnyDropout, recipe: Recipe) -> AnyDropout:
    """Dropout where this architecture has it by default."""
    default = PLACEMENTS[type(recipe.architecture)][0]
    return dropout.model_copy(update={"placement": dropout.placement or default})


def sized(augmentation: AnyAugmentation, shape: tuple[int, ...]) -> AnyAugmentation:
    """A crop padded by an eighth of the longer side (4 pixels of 32, as in He et al. 2016)."""
    if not isinstance(augmentation, RandomCrop) or augmentation.padding is not None:
        return augmentation
    return augmentation.model_copy(update={"padding": max(1, max(shape[1:], default=1) // 8)})
