"""What cannot be trained: one function a reason, each yielding problems with pointers into the canonical
recipe. They are found in two looks, before and after the layers are grown."""

from collections.abc import Callable, Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.checks.architecture import images_where_needed, pooling_leaves_pixels, rnn_needs_sequence
from bakehouse.plan.checks.augmentation import (
    augmentation_fits_samples,
    augmentation_leaves_pixels,
    color_needs_rgb,
    only_one_mixing,
    scales_cover_the_window,
)
from bakehouse.plan.checks.dropout import (
    dropout_has_a_place,
    dropout_has_layers,
    norm_leaves_drop_connect_its_activation,
)
from bakehouse.plan.checks.evaluation import (
    activations_saturate,
    crops_fit,
    diagnostics_once,
    inconsistent_samples_needs_classes,
    monitor_exists,
    monte_carlo_needs_dropout,
    statistics_exist,
)
from bakehouse.plan.checks.norm import (
    batches_have_statistics,
    groups_divide,
    norm_fits_cell,
    norm_follows_weights,
    norm_has_a_place,
    norm_is_not_compiled,
    norm_order_is_free,
    norms_have_statistics,
)
from bakehouse.plan.checks.objective import (
    attack_has_a_range,
    counts_are_not_negative,
    loss_fits_target,
    penalty_sees_what_is_trained,
    single_teacher_source,
    smoothing_fits,
    smoothing_fits_tasks,
    task_losses_fit,
    tasks_fit_ingredients,
    teachers_have_classes,
)
from bakehouse.plan.checks.training import (
    penalty_fits_model,
    regularizers_once,
    self_pace_has_epochs,
    steps_are_of_a_staircase,
    stopping_fits_monitor,
    warmup_ends,
)
from bakehouse.plan.checks.whitening import covariance_is_small, epsilon_is_used
from bakehouse.plan.layers import Layer
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.problems import Problem
from bakehouse.recipe.recipe import Recipe

Check = Callable[[Recipe, ResolvedData, SplitSizes], Iterator[Problem]]
LayerCheck = Callable[[Recipe, Layer], Iterator[Problem]]


def find_problems(recipe: Recipe, data: ResolvedData, sizes: SplitSizes, root: Layer | None = None) -> list[Problem]:
    """Without layers, what data and fields tell; with layers, what their shapes tell."""
    if root is None:
        return [problem for check in CHECKS for problem in check(recipe, data, sizes)]
    return [problem for check in LAYER_CHECKS for problem in check(recipe, root)]


CHECKS: tuple[Check, ...] = (
    images_where_needed,
    rnn_needs_sequence,
    augmentation_fits_samples,
    augmentation_leaves_pixels,
    scales_cover_the_window,
    color_needs_rgb,
    only_one_mixing,
    loss_fits_target,
    counts_are_not_negative,
    smoothing_fits,
    task_losses_fit,
    smoothing_fits_tasks,
    tasks_fit_ingredients,
    covariance_is_small,
    epsilon_is_used,
    attack_has_a_range,
    penalty_sees_what_is_trained,
    single_teacher_source,
    teachers_have_classes,
    monitor_exists,
    dropout_has_a_place,
    norm_leaves_drop_connect_its_activation,
    norm_order_is_free,
    norm_fits_cell,
    norm_is_not_compiled,
    self_pace_has_epochs,
    steps_are_of_a_staircase,
    regularizers_once,
    penalty_fits_model,
    warmup_ends,
    stopping_fits_monitor,
    batches_have_statistics,
    crops_fit,
    diagnostics_once,
    inconsistent_samples_needs_classes,
)
LAYER_CHECKS: tuple[LayerCheck, ...] = (
    groups_divide,
    dropout_has_layers,
    norm_has_a_place,
    norm_follows_weights,
    norms_have_statistics,
    pooling_leaves_pixels,
    statistics_exist,
    monte_carlo_needs_dropout,
    activations_saturate,
)
