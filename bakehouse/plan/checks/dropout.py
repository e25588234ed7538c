"""Refuses dropout where there is nothing to drop."""

from collections.abc import Iterator

from bakehouse.plan import layers
from bakehouse.plan.context import Context, check
from bakehouse.plan.defaults import places
from bakehouse.plan.layers import Dropout, walk
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.dropout import DropConnect, SpatialDropout
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import CrossIterationBatchNorm
from bakehouse.recipe.problems import Problem, conflict


@check("recipe")
def dropout_has_a_place(context: Context) -> Iterator[Problem]:
    """Refuses a placement that the architecture does not have, and two dropouts of one type with one placement."""
    recipe = context.recipe
    seen: set[tuple[str, str | None]] = set()
    for index, item in enumerate(recipe.dropout):
        allowed = places(item, recipe)
        if item.placement not in allowed:
            message = f"{recipe.architecture.type} has no placement {item.placement}"
            yield conflict(f"/dropout/{index}/placement", message, allowed)
        if (item.type, item.placement) in seen:
            yield conflict(f"/dropout/{index}", f"{item.type} is listed twice with the placement {item.placement}")
        seen.add((item.type, item.placement))


@check("recipe")
def norm_leaves_drop_connect_its_activation(context: Context) -> Iterator[Problem]:
    """Refuses a norm between the weights that drop_connect masks and the activation whose mean it computes."""
    recipe = context.recipe
    is_hidden = any(item.placement == "hidden" for item in recipe.find(DropConnect).values())
    # CrossIterationBatchNorm has no other placement (see norm_follows_weights), nor has an rnn (norm_order_is_free).
    if not is_hidden or isinstance(recipe.norm, Off | CrossIterationBatchNorm) or isinstance(recipe.architecture, Rnn):
        return
    if recipe.norm.placement == "before_activation":
        message = f"{recipe.norm.type} is between the weights that drop_connect masks and their activation"
        yield conflict("/norm/placement", message, ("after_activation",))


@check("layers")
def dropout_has_layers(context: Context) -> Iterator[Problem]:
    """Refuses drop_connect without fully-connected layers, and spatial dropout without feature maps."""
    recipe = context.recipe
    planned = {layer.index for _, layer in walk(context.root) if isinstance(layer, Dropout | layers.DropConnect)}
    for index, item in enumerate(recipe.dropout):
        if isinstance(item, DropConnect) and index not in planned:
            message = f"{recipe.architecture.type} has no fully-connected hidden layers whose weights could be dropped"
            yield conflict(f"/dropout/{index}/placement", message, ("classifier",))
        if isinstance(item, SpatialDropout) and index not in planned:
            message = f"{recipe.architecture.type} has no maps at {item.placement} whose channels could be dropped"
            yield conflict(f"/dropout/{index}/type", message, ("dropout", "vanilla_dropout", "gaussian_dropout"))
