"""Refuses dropout where there is nothing to drop."""

from collections.abc import Iterator

from bakehouse.plan import layers
from bakehouse.plan.card import ResolvedData
from bakehouse.plan.defaults import places
from bakehouse.plan.layers import Dropout, Layer, walk
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.dropout import DropConnect, SpatialDropout
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import CrossIterationBatchNorm
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


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
    planned = {layer.index for _, layer in walk(root) if isinstance(layer, Dropout | layers.DropConnect)}
    for index, item in enumerate(recipe.dropout):
        if isinstance(item, DropConnect) and index not in planned:
            message = f"{recipe.architecture.type} has no fully-connected hidden layers whose weights could be dropped"
            yield conflict(f"/dropout/{index}/placement", message, ("classifier",))
        if isinstance(item, SpatialDropout) and index not in planned:
            message = f"{recipe.architecture.type} has no maps at {item.placement} whose channels could be dropped"
            yield conflict(f"/dropout/{index}/type", message, ("dropout", "vanilla_dropout", "gaussian_dropout"))
