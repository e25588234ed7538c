"""Refuses data sets of pictures that a recipe does not take, and sizes of pictures where there are none."""

from collections.abc import Iterator

from bakehouse.plan.context import Context, check
from bakehouse.plan.pictures import common_crop
from bakehouse.recipe.augmentation import RandomResizedCrop, ScaleCrop
from bakehouse.recipe.patch import PatchStep
from bakehouse.recipe.problems import Problem, conflict


@check("recipe")
def pictures_are_readable(context: Context) -> Iterator[Problem]:
    """Refuses a data set with more unreadable pictures than `dataset.max_unreadable` allows."""
    unreadable = context.card.unreadable
    limit = context.recipe.dataset.max_unreadable
    if unreadable is None or unreadable.count <= limit * unreadable.of:
        return
    message = (
        f"{unreadable.count:,} of the {unreadable.of:,} pictures of {context.card.id} cannot be read, and at most "
        f"{100 * limit:g} % may be passed over: repair or remove them. {unreadable}"
    )
    yield conflict("/dataset/max_unreadable", message, (f">= {unreadable.needed_share:g}",))


@check("recipe")
def size_is_that_of_pictures(context: Context) -> Iterator[Problem]:
    """Refuses a size for data that are no folder of pictures."""
    if context.recipe.dataset.size is not None and context.card.format != "pictures":
        message = f"size is that of the pictures of a folder; {context.card.id} is {context.data}"
        yield conflict("/dataset/size", message, ("null",))


@check("recipe")
def photographs_get_one_size(context: Context) -> Iterator[Problem]:
    """Refuses pictures of their own sizes without a first augmentation that cuts windows of one size out of them."""
    recipe = context.recipe
    if recipe.dataset.size == "off" and context.card.format == "pictures" and common_crop(recipe) is None:
        message = (
            "pictures of their own sizes need scale_crop or random_resized_crop as the first augmentation, which cuts "
            "windows of one size out of them"
        )
        patch = (PatchStep(op="add", path="/augmentation/0", value={"type": "scale_crop"}),)
        yield conflict("/dataset/size", message, ("null", "8 to 1024")).model_copy(update={"patch": patch})


@check("recipe")
def windows_are_cut_out_of_photographs(context: Context) -> Iterator[Problem]:
    """Refuses the size of a window where images have one size already, and are returned at it."""
    recipe = context.recipe
    first = common_crop(recipe)
    crops: dict[str, ScaleCrop | RandomResizedCrop] = {**recipe.find(ScaleCrop), **recipe.find(RandomResizedCrop)}
    for pointer, crop in crops.items():
        if crop.size is not None and crop is not first:
            message = "the images have one size here, and the window has the same; leave size out"
            yield conflict(f"{pointer}/size", message, ("null",))
