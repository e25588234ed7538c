"""Refuses architectures that do not fit the shape of the data."""

from collections.abc import Iterator
from typing import get_args

from bakehouse.plan.context import Context, check
from bakehouse.plan.layers import walk
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
    for name, layer in walk(context.root):
        if min(layer.output[1:], default=1) >= 1:
            continue
        stages = int(name.split(".")[0].removeprefix("stage"))
        if isinstance(architecture, Fitnet):
            message = f"no pixel is left after {stages - 1} halvings, one between each two stages"
            yield conflict("/architecture/stages", message, (f"at most {stages} stages",))
        elif isinstance(architecture, Cnn):
            message = f"no pixel is left after {stages - 1} stages, each of which halves the image's side"
            yield conflict("/architecture/channels", message, (f"at most {stages - 1} stages",))
        else:
            message = f"{architecture.type} halves the image's side twice; it needs 4 x 4 pixels"
            yield conflict("/architecture/type", message, ("resnet", "preresnet", "wide_resnet", "resnext"))
        return
