"""What a recipe cannot be measured by."""

from collections.abc import Iterator

from bakehouse.plan import layers
from bakehouse.plan.card import ResolvedData
from bakehouse.plan.checks.norm import layers_with_statistics
from bakehouse.plan.heads import monitors
from bakehouse.plan.layers import Activation, Dropout, Layer, walk
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.diagnostics import InconsistentSamples, Saturation, VarianceShift
from bakehouse.recipe.evaluation import MONITORS
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.read import nearest
from bakehouse.recipe.recipe import Recipe


def crops_fit(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A crop has the network's own input size, so that an image cannot be made smaller than that."""
    crops = recipe.evaluation.crops
    if crops is None:
        return
    if len(data.shape) != 3:
        message = f"crops are cut out of images; {recipe.dataset.id} holds none"
        yield conflict("/evaluation/crops", message, ("null",))
        return
    side = min(data.shape[1:])
    for index, scale in enumerate(crops.scales or ()):
        if scale < side:
            message = f"{scale} pixels are fewer than the {side} of the crops, which the network takes"
            pointer = f"/evaluation/crops/scales/{index}"
            yield conflict(pointer, message, (f">= {side}",))


def diagnostics_once(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Findings are told by name."""
    types = [item.type for item in recipe.diagnostics]
    for index, name in enumerate(types):
        if name in types[:index]:
            yield conflict(f"/diagnostics/{index}", f"{name} stands twice")


def inconsistent_samples_needs_classes(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A number is not told right or wrong."""
    for index, item in enumerate(recipe.diagnostics):
        if isinstance(item, InconsistentSamples) and data.task == "regression":
            message = f"{item.type} counts rows that are told right; the targets of {recipe.dataset.id} are numbers"
            pointer, others = f"/diagnostics/{index}", ("train_eval_gap", "clean_gap")
            yield conflict(pointer, message, others)


def statistics_exist(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Only norms over the batch evaluate with statistics of the training rows."""
    if any(layers_with_statistics(root)):
        return
    norm = f"with {recipe.norm.type}" if recipe.norm.type != "none" else "without a norm"
    lacks = f"{recipe.architecture.type} {norm} has no layers that keep statistics of batches"
    if recipe.evaluation.statistics == "population":
        yield conflict("/evaluation/statistics", lacks, ("moving",))
    for index, item in enumerate(recipe.diagnostics):
        if isinstance(item, VarianceShift):
            others = ("activation_drift", "train_eval_gap")
            yield conflict(f"/diagnostics/{index}", lacks, others)


def monte_carlo_needs_dropout(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Without dropout all passes are the same."""
    samples = recipe.evaluation.monte_carlo_samples
    if samples and not any(isinstance(layer, Dropout | layers.DropConnect) for _, layer in walk(root)):
        message = f"the recipe has no dropout: {samples} passes would all give the same"
        yield conflict("/evaluation/monte_carlo_samples", message, ("0",))


def activations_saturate(recipe: Recipe, root: Layer) -> Iterator[Problem]:
    """Only sigmoid and tanh are flat on both sides."""
    names = {layer.name for _, layer in walk(root) if isinstance(layer, Activation)}
    for index, item in enumerate(recipe.diagnostics):
        if isinstance(item, Saturation) and not names & {"sigmoid", "tanh"}:
            message = f"{recipe.architecture.type} has no layers of sigmoid or tanh"
            others = ("sparsity", "gradient_norms")
            yield conflict(f"/diagnostics/{index}", message, others)


def monitor_exists(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Accuracy is for classes, R^2 and absolute error for numbers."""
    monitor, allowed = recipe.evaluation.monitor, monitors(recipe, data)
    if monitor not in allowed:
        message = f"{monitor} does not exist for {data.task}"
        if monitor not in MONITORS:
            message = f"there is no metric {monitor!r} to watch{nearest(monitor, allowed)}"
        yield conflict("/evaluation/monitor", message, allowed)
