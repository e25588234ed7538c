"""Refuses measurements that a recipe does not allow."""

from collections.abc import Iterator
from math import isqrt

from bakehouse.plan import layers
from bakehouse.plan.checks.norm import layers_with_statistics
from bakehouse.plan.context import Context, check
from bakehouse.plan.defaults import crop_scales, resize_range
from bakehouse.plan.heads import monitors
from bakehouse.plan.layers import Activation, Dropout, walk
from bakehouse.plan.pictures import common_crop, short_side
from bakehouse.recipe.augmentation import ScaleCrop
from bakehouse.recipe.diagnostics import InconsistentSamples, Saturation, VarianceShift
from bakehouse.recipe.evaluation import MONITORS
from bakehouse.recipe.problems import Problem, conflict, did_you_mean, listed_twice

RESIZED_NUMBERS = 1 << 28
"""Limit on the values of one resized image: 1 GiB of float32. Without it, an elongated image at a large scale would
run out of memory only in the evaluation, when training is already done."""
MAX_SCORES = 1 << 26
"""Limit on the outputs that are kept until the end of a split: 256 MiB of float32, for 65,536 rows of 1,024 classes."""


@check("recipe")
def monitor_exists(context: Context) -> Iterator[Problem]:
    """Refuses a monitor that the task does not have, such as accuracy for regression."""
    monitor = context.recipe.evaluation.monitor
    allowed = monitors(context.data.targets)
    if monitor not in allowed:
        message = f"{monitor} does not exist for {context.data.main.task}"
        if monitor not in MONITORS:
            message = f"there is no metric {monitor!r}{did_you_mean(monitor, allowed)}"
        yield conflict("/evaluation/monitor", message, allowed)


@check("recipe")
def metrics_fit(context: Context) -> Iterator[Problem]:
    """Refuses metrics of classes without classes, a metric that is listed twice, and more scores than fit."""
    listed = context.recipe.evaluation.metrics
    yield from listed_twice("/evaluation/metrics", list(listed))
    if listed and all(target.classes is None for target in context.data.targets):
        message = f"{', '.join(listed)}: no target has classes; {context.card.id} is a regression data set"
        yield conflict("/evaluation/metrics", message, ("[]",))
    outputs = sum(target.outputs for target in context.data.targets)
    rows = max(context.sizes.validation, context.sizes.test)
    has_auroc = any("auroc" in target.class_measures for target in context.data.targets)
    if has_auroc and rows * outputs > MAX_SCORES:
        pointer = "/evaluation/metrics" if "auroc" in listed else "/evaluation/monitor"
        message = f"auroc keeps all outputs of a split, here {outputs:,} for each of {rows:,} rows; at most "
        message += f"{MAX_SCORES:,} numbers are kept"
        yield conflict(pointer, message, ("balanced_accuracy", "f1") if "auroc" in listed else MONITORS[:2])


@check("recipe")
def crops_fit(context: Context) -> Iterator[Problem]:
    """Refuses crops of samples other than images, and images resized below the network's input size or too large."""
    crops = context.recipe.evaluation.crops
    data = context.data
    if crops is None:
        return
    if not data.is_image:
        message = f"crops need images; {context.card.id} is {data}"
        yield conflict("/evaluation/crops", message, ("null",))
        return
    for index, scale in enumerate(crop_scales(crops, data.shape)):
        if scale < data.side:
            message = f"the network takes crops of {data.side} pixels, and an image of {scale} is smaller"
            yield conflict(f"/evaluation/crops/scales/{index}", message, (f">= {data.side}",))
        elif scale > (most := largest_scale(data.shape, elongation(context))):
            message = f"an image resized to {scale} pixels has more numbers than fit into a gibibyte"
            yield conflict(f"/evaluation/crops/scales/{index}", message, (f"<= {most}",))


def largest_scale(shape: tuple[int, ...], elongation: float) -> int:
    """Returns the largest shorter side with which an image stays within `RESIZED_NUMBERS`, whose longer side is
    `elongation` times the shorter. It is never below the shorter side of the image itself."""
    return max(min(shape[1:]), isqrt(int(RESIZED_NUMBERS / (shape[0] * elongation))))


def elongation(context: Context) -> float:
    """Returns the largest ratio of the sides of the images that are resized: photographs, if they keep their sizes."""
    sides = context.data.shape[1:]
    sizes = context.card.own_sizes if common_crop(context.recipe) is not None else None
    return max(sides) / min(sides) if sizes is None else sizes.elongation


@check("recipe")
def resized_photographs_fit(context: Context) -> Iterator[Problem]:
    """Refuses to resize photographs to more numbers than fit."""
    crop = common_crop(context.recipe)
    if crop is None or not context.data.is_image:
        return
    most = largest_scale(context.data.shape, elongation(context))
    message = f"{context.card.id} has a picture that is {elongation(context):,.0f} times as long as wide: resized, it "
    message += "has more numbers than fit into a gibibyte"
    if isinstance(crop, ScaleCrop):
        if resize_range(crop, context.data.shape)[1] > most:
            yield conflict("/augmentation/0/high", message, (f"<= {most}",))
    elif short_side(context.data.side) > most:
        yield conflict("/augmentation/0/size", message, (f"<= {most * 7 // 8}",))


@check("recipe")
def diagnostics_once(context: Context) -> Iterator[Problem]:
    """Refuses a diagnostic that is listed twice, because findings are stored under its name."""
    return listed_twice("/diagnostics", [item.type for item in context.recipe.diagnostics])


@check("recipe")
def inconsistent_samples_needs_classes(context: Context) -> Iterator[Problem]:
    """Refuses inconsistent_samples for regression, where a prediction is neither right nor wrong."""
    for pointer, item in context.recipe.find(InconsistentSamples).items():
        if context.data.main.task == "regression":
            message = f"{item.type} compares predicted classes; {context.card.id} is a regression data set"
            yield conflict(pointer, message, ("train_eval_gap", "clean_gap"))


@check("layers")
def statistics_exist(context: Context) -> Iterator[Problem]:
    """Refuses population statistics and variance_shift for a model without norms over the batch."""
    recipe = context.recipe
    if any(layers_with_statistics(context.root)):
        return
    norm = f"with {recipe.norm.type}" if recipe.norm.type != "none" else "without a norm"
    message = f"{recipe.architecture.type} {norm} has no layers that keep statistics of batches"
    if recipe.evaluation.statistics == "population":
        yield conflict("/evaluation/statistics", message, ("moving",))
    for pointer in recipe.find(VarianceShift):
        yield conflict(pointer, message, ("activation_drift", "train_eval_gap"))


@check("layers")
def monte_carlo_needs_dropout(context: Context) -> Iterator[Problem]:
    """Refuses Monte Carlo passes through a model without dropout, because all would be the same."""
    samples = context.recipe.evaluation.monte_carlo_samples
    if samples and not any(isinstance(layer, Dropout | layers.DropConnect) for _, layer in walk(context.root)):
        message = f"the recipe has no dropout: {samples} passes would all give the same outputs"
        yield conflict("/evaluation/monte_carlo_samples", message, ("0",))


@check("layers")
def activations_saturate(context: Context) -> Iterator[Problem]:
    """Refuses the diagnostic saturation for a model without sigmoid or tanh."""
    names = {layer.name for _, layer in walk(context.root) if isinstance(layer, Activation)}
    for pointer in context.recipe.find(Saturation):
        if not names & {"sigmoid", "tanh"}:
            message = f"{context.recipe.architecture.type} has no layers of sigmoid or tanh"
            yield conflict(pointer, message, ("sparsity", "gradient_norms"))
