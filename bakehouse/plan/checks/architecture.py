"""Refuses architectures that do not fit the shape of the data."""

from collections.abc import Iterator
from math import prod
from typing import get_args

from bakehouse.plan.context import Context, check
from bakehouse.plan.layers import Pool, walk
from bakehouse.recipe.architecture import AnyArchitecture, Cnn, Fitnet
from bakehouse.recipe.problems import Problem, conflict


@check("recipe")
def architecture_takes_the_data(context: Context) -> Iterator[Problem]:
    """Refuses convolutions for data without height and width, and recurrent layers for data without steps."""
    architecture = context.recipe.architecture
    kind = context.data.kind
    if kind not in architecture.takes:
        needs = "images" if architecture.takes == {"image"} else "sequences or images"
        message = f"{architecture.type} needs {needs}; {context.card.id} is {context.data}"
        others = [other for other in get_args(AnyArchitecture) if kind in other.takes]
        yield conflict("/architecture/type", message, tuple(other.model_fields["type"].default for other in others))


@check("layers")
def pooling_leaves_pixels(context: Context) -> Iterator[Problem]:
    """Refuses an architecture whose pooling leaves no pixel."""
    architecture = context.recipe.architecture
    pools = [layer for _, layer in walk(context.root) if isinstance(layer, Pool) and layer.is_local]
    # A map without pixels never gets any again, so these are the first pools.
    halvings = sum(min(pool.output[1:]) >= 1 for pool in pools)
    if halvings == len(pools):
        return
    if isinstance(architecture, Fitnet):
        message = f"no pixel is left after {halvings} halvings, one between each two stages"
        yield conflict("/architecture/stages", message, (f"at most {halvings + 1} stages",))
    elif isinstance(architecture, Cnn):
        message = f"no pixel is left after {halvings} stages, each of which halves the image's side"
        yield conflict("/architecture/channels", message, (f"at most {halvings} stages",))
    else:
        factor = prod(pool.size for pool in pools)
        message = f"pooling divides the image's side by {factor} in {architecture.type}; "
        message += f"it needs at least {factor} x {factor} pixels"
        yield conflict("/architecture/type", message, ("resnet", "preresnet", "wide_resnet", "resnext"))
