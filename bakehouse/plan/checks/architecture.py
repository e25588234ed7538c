"""Refuses architectures that do not fit the data's shape."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.layers import Layer, walk
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Cnn, Fitnet, Linear, Mlp, Rnn
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


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


def pooling_leaves_pixels(recipe: Recipe, root: Layer) -> Iterator[Problem]:
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


def rnn_needs_sequence(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A row of numbers has no order to go through."""
    if isinstance(recipe.architecture, Rnn) and len(data.shape) == 1:
        message = f"rnn needs sequences or images; {recipe.dataset.id} holds rows of {data.shape[0]} numbers"
        yield conflict("/architecture/type", message, ("linear", "mlp"))
