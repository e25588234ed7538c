"""What cannot be trained: one function a reason, each yielding problems with pointers into the canonical
recipe. They are found in two looks, before and after the layers are grown."""

from collections.abc import Callable, Iterator
from math import prod
from typing import assert_never

from bakehouse.plan import layers as plan
from bakehouse.plan.card import ResolvedData, Task
from bakehouse.plan.checks.augmentation import (
    augmentation_fits_samples,
    augmentation_leaves_pixels,
    colors_are_there,
    mixed_once,
    scales_cover_the_window,
)
from bakehouse.plan.checks.curriculum import self_pace_has_epochs
from bakehouse.plan.checks.measuring import (
    activations_saturate,
    crops_fit,
    diagnostics_once,
    masks_exist,
    right_and_wrong_exist,
    statistics_exist,
)
from bakehouse.plan.checks.norm import norm_follows_weights, norm_is_not_compiled
from bakehouse.plan.checks.objective import (
    attack_has_a_range,
    one_teacher,
    penalty_sees_what_is_trained,
    teachers_have_classes,
)
from bakehouse.plan.checks.sequences import norm_fits_cell, steps_where_needed
from bakehouse.plan.checks.tasks import smoothing_fits_tasks, target_losses, task_losses_fit, tasks_fit_ingredients
from bakehouse.plan.defaults import places
from bakehouse.plan.heads import monitors
from bakehouse.plan.layers import Dropout, Layer, Norm, walk
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Cnn, Densenet, Fitnet, Linear, Mlp, Preresnet, Rnn, WideResnet
from bakehouse.recipe.dropout import DropConnect, SpatialDropout
from bakehouse.recipe.early_stopping import GeneralizationLoss, ProgressQuotient
from bakehouse.recipe.evaluation import MONITORS, is_higher_better
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm, LayerNorm
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.read import nearest
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty
from bakehouse.recipe.schedule import OneCycle

Check = Callable[[Recipe, ResolvedData, SplitSizes], Iterator[Problem]]
LayerCheck = Callable[[Recipe, Layer], Iterator[Problem]]

NOUNS: dict[Task, str] = {"classification": "classes", "regression": "numbers"}


def find_problems(recipe: Recipe, data: ResolvedData, sizes: SplitSizes, root: Layer | None = None) -> list[Problem]:
    """Without layers, what data and fields tell; with layers, what their shapes tell."""
    if root is None:
        return [problem for check in CHECKS for problem in check(recipe, data, sizes)]
    return [problem for check in LAYER_CHECKS for problem in check(recipe, root)]


def images_where_needed(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Convolutions need height and width."""
    if len(data.shape) == 3:
        return
    is_sequence = len(data.shape) == 2
    steps = f"sequences of {data.shape[0]} steps" if is_sequence else "rows"
    told = f"{recipe.dataset.id} holds {steps} of {data.shape[-1]} numbers"
    if not isinstance(recipe.architecture, Linear | Mlp | Rnn):
        name, others = recipe.architecture.type, ("linear", "mlp", "rnn") if is_sequence else ("linear", "mlp")
        yield conflict("/architecture/type", f"{name} needs images; {told}", others)


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
    elif smoothing.spread == "wrong_classes" and smoothing.epsilon >= 1 - 1 / len(data.classes):
        most = 1 - 1 / len(data.classes)
        yield conflict(
            "/objective/label_smoothing/epsilon",
            f"the right class would not be the likeliest of {len(data.classes)}",
            (f"< {most:g}",),
        )


def monitor_exists(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Accuracy is for classes, R^2 and absolute error for numbers."""
    monitor, allowed = recipe.evaluation.monitor, monitors(recipe, data)
    if monitor not in allowed:
        message = f"{monitor} does not exist for {data.task}"
        if monitor not in MONITORS:
            message = f"there is no metric {monitor!r} to watch{nearest(monitor, allowed)}"
        yield conflict("/evaluation/monitor", message, allowed)


def dropout_has_a_place(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Each architecture has its own places, one dropout of a kind in each."""
    seen: set[tuple[str, str | None]] = set()
    for index, item in enumerate(recipe.dropout):
        allowed = places(item, recipe)
        if item.placement not in allowed:
            message = f"{recipe.architecture.type} has no place {item.placement}"
            yield conflict(f"/dropout/{index}/placement", message, allowed)
        if (item.type, item.placement) in seen:
            yield conflict(f"/dropout/{index}", f"{item.type} stands twice at {item.placement}")
        seen.add((item.type, item.placement))


def norm_order_is_free(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Blocks of norm - activation - convolution are what makes a network pre-activated; a cell's norms are inside."""
    fixed = isinstance(recipe.architecture, Preresnet | WideResnet | Densenet | Rnn)
    if fixed and not isinstance(recipe.norm, Off) and recipe.norm.placement == "after_activation":
        parts = "cells" if isinstance(recipe.architecture, Rnn) else "blocks"
        message = f"{recipe.architecture.type} is made of {parts} with the norm before the activation"
        yield conflict("/norm/placement", message, ("before_activation",))


def regularizers_once(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """One coefficient for one thing."""
    types = [item.type for item in recipe.regularizer]
    for index, name in enumerate(types):
        if name in types[:index]:
            yield conflict(f"/regularizer/{index}", f"{name} stands twice")


def penalty_fits_model(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The quadratic form of dropout is known for inputs of linear models, and stands for dropout itself."""
    for index, item in enumerate(recipe.regularizer):
        if not isinstance(item, DropoutPenalty):
            continue
        if not isinstance(recipe.architecture, Linear):
            message = f"{recipe.architecture.type} is not linear: what dropout adds to it has no closed form"
            yield conflict(f"/regularizer/{index}", message, ("architecture linear",))
        if recipe.dropout:
            yield conflict(f"/regularizer/{index}", f"{item.type} stands for dropout on the inputs, which is there too")


def warmup_ends(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """A warm-up longer than the run never reaches the learning rate."""
    if not isinstance(recipe.schedule, OneCycle) and recipe.schedule.warmup_epochs > recipe.epochs:
        yield conflict("/schedule/warmup_epochs", "longer than the run", (f"<= {recipe.epochs}",))


def stopping_fits_monitor(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Percent above the least need a number that is 0 at best."""
    stopping, monitor = recipe.early_stopping, recipe.evaluation.monitor
    if isinstance(stopping, GeneralizationLoss | ProgressQuotient) and is_higher_better(monitor):
        allowed = tuple(name for name in monitors(recipe, data) if not is_higher_better(name))
        yield conflict("/evaluation/monitor", f"{stopping.type} compares losses, and {monitor} is none", allowed)


def batches_have_statistics(recipe: Recipe, data: ResolvedData, sizes: SplitSizes) -> Iterator[Problem]:
    """The variance of one row is zero: batch norm needs two in every batch, the last one too."""
    smallest = sizes.train % recipe.batch_size or recipe.batch_size
    if not isinstance(recipe.norm, BatchNorm | BatchRenorm | CrossIterationBatchNorm) or smallest > 1:
        return
    near = sorted(range(2, min(2 * recipe.batch_size + 3, sizes.train + 1)), key=lambda n: abs(n - recipe.batch_size))
    allowed = tuple(str(size) for size in near if sizes.train % size != 1)[:2]
    last = "every" if recipe.batch_size == 1 else "the last"
    message = (
        f"{recipe.norm.type} has no variance to divide by: {last} batch of {sizes.train:,} training rows has one row"
    )
    yield conflict("/batch_size", message, allowed)


def groups_divide(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Group norm splits channels evenly."""
    if not isinstance(recipe.norm, GroupNorm):
        return
    channels = sorted({layer.input[0] for _, layer in walk(root) if isinstance(layer, Norm)})
    odd = [count for count in channels if count % recipe.norm.num_groups]
    if odd:
        # A channel a group is instance norm, and nothing at all for rows.
        common = [n for n in range(1, max(channels[0], 2)) if all(count % n == 0 for count in channels)]
        message = f"{recipe.norm.num_groups} groups do not divide {odd[0]} channels"
        yield conflict("/norm/num_groups", message, tuple(map(str, common)))


def norm_leaves_drop_connect_its_activation(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The mean over masks is taken behind the activation, which must follow the weights."""
    hidden = any(isinstance(item, DropConnect) and item.placement == "hidden" for item in recipe.dropout)
    # For the latter there is no other place: see norm_follows_weights; nor in a cell: see norm_order_is_free.
    if not hidden or isinstance(recipe.norm, Off | CrossIterationBatchNorm) or isinstance(recipe.architecture, Rnn):
        return
    if recipe.norm.placement == "before_activation":
        message = f"{recipe.norm.type} stands between the weights that drop_connect masks and their activation"
        yield conflict("/norm/placement", message, ("after_activation",))


def dropout_has_layers(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """A row has no channels that could be dropped as a whole, a convolution no weights of its own for a sample."""
    planned = {layer.index for _, layer in walk(root) if isinstance(layer, Dropout | plan.DropConnect)}
    for index, item in enumerate(recipe.dropout):
        if isinstance(item, DropConnect) and index not in planned:
            message = f"{recipe.architecture.type} has no fully-connected hidden layers whose weights could be dropped"
            yield conflict(f"/dropout/{index}/placement", message, ("classifier",))
        if isinstance(item, SpatialDropout) and index not in planned:
            message = f"{recipe.architecture.type} has no maps at {item.placement} whose channels could be dropped"
            yield conflict(f"/dropout/{index}/type", message, ("dropout", "vanilla_dropout", "gaussian_dropout"))


def norm_has_a_place(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """A norm that would be nowhere is a mistake, as a dropout without a place is."""
    if not isinstance(recipe.norm, Off) and not any(isinstance(layer, Norm) for _, layer in walk(root)):
        message = f"{recipe.architecture.type} has no hidden layers to normalise"
        yield conflict("/norm/type", message, ("none",))


def norms_have_statistics(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """A single number minus its mean is zero, whatever the number."""
    for name, layer in walk(root):
        if isinstance(layer, Norm) and numbers_normalized(layer) == 1:
            message = f"{layer.spec.type} would normalise each number of {name} by itself, which leaves zero"
            if (
                name.startswith("hidden")
                and isinstance(layer.spec, InstanceNorm)
                and isinstance(recipe.architecture, Cnn)
            ):
                message += "; leave the fully-connected layers out (architecture.hidden: []) or take another norm"
            others = ("none", "batch_norm", "layer_norm", "group_norm")
            yield conflict("/norm/type", message, others if isinstance(layer.spec, InstanceNorm) else others[:2])
            return


def numbers_normalized(layer: Norm) -> float:
    """How many numbers share a mean."""
    match layer.spec:
        case BatchNorm() | BatchRenorm() | CrossIterationBatchNorm():
            return 2 * prod(layer.input[1:])  # at least two rows: see batches_have_statistics
        case LayerNorm():
            return prod(layer.input)
        case InstanceNorm():
            return prod(layer.input[1:])
        case GroupNorm(num_groups=groups):
            return prod(layer.input) / groups
        case _:
            assert_never(layer.spec)


def maps_are_left(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Pooling must leave at least one pixel."""
    for name, layer in walk(root):
        if min(layer.output[1:], default=1) >= 1:
            continue
        stages = int(name.split(".")[0].removeprefix("stage"))
        if isinstance(recipe.architecture, Fitnet):
            message = f"the image is used up after {stages - 1} halvings, one between each two stages"
            yield conflict("/architecture/stages", message, (f"at most {stages} stages",))
        elif isinstance(recipe.architecture, Cnn):
            message = f"the image is used up after {stages - 1} stages, each of which halves its side"
            yield conflict("/architecture/channels", message, (f"at most {stages - 1} stages",))
        else:
            message = f"{recipe.architecture.type} halves the image's side twice; it needs 4 x 4 pixels"
            yield conflict("/architecture/type", message, ("resnet", "preresnet", "wide_resnet", "resnext"))
        return


CHECKS: tuple[Check, ...] = (
    images_where_needed,
    steps_where_needed,
    augmentation_fits_samples,
    augmentation_leaves_pixels,
    scales_cover_the_window,
    colors_are_there,
    mixed_once,
    loss_fits_target,
    counts_are_not_negative,
    smoothing_fits,
    task_losses_fit,
    smoothing_fits_tasks,
    tasks_fit_ingredients,
    attack_has_a_range,
    penalty_sees_what_is_trained,
    one_teacher,
    teachers_have_classes,
    monitor_exists,
    dropout_has_a_place,
    norm_leaves_drop_connect_its_activation,
    norm_order_is_free,
    norm_fits_cell,
    norm_is_not_compiled,
    self_pace_has_epochs,
    regularizers_once,
    penalty_fits_model,
    warmup_ends,
    stopping_fits_monitor,
    batches_have_statistics,
    crops_fit,
    diagnostics_once,
    right_and_wrong_exist,
)
LAYER_CHECKS: tuple[LayerCheck, ...] = (
    groups_divide,
    dropout_has_layers,
    norm_has_a_place,
    norm_follows_weights,
    norms_have_statistics,
    maps_are_left,
    statistics_exist,
    masks_exist,
    activations_saturate,
)
