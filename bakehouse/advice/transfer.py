"""Advice on layers that are copied from another run."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.layers import Activation, walk
from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.transfer import source_in
from bakehouse.recipe.architecture import AnyArchitecture
from bakehouse.recipe.ingredient import Off, with_field
from bakehouse.recipe.pretraining import Transfer

FAR = 4.0
"""Largest factor between the input ranges of two data sets of one kind in the same units."""
SOURCE = "Yosinski et al. 2014, arXiv 1411.1792, section 2"


@rule("warning", about=(Transfer, *with_field(AnyArchitecture, "activation")), source=SOURCE)
def transfer_other_activation(plan: Plan) -> Iterator[Finding]:
    """The copied weights were trained for the activation after them."""
    source = plan.trained(source_in(plan.recipe))
    ours, theirs = activations(plan), set() if source is None else activations(source)
    if ours and len(theirs) == 1 and ours != theirs:
        [name] = theirs
        message = f"the copied layers were trained with the activation {name}, and here it is {' and '.join(ours)}: "
        message += "the next layer gets other values."
        yield Finding("/architecture/activation", message, replace("/architecture/activation", name))


def activations(plan: Plan) -> set[str]:
    """Returns the activations of a model, without maxout, which also changes the width of layers."""
    return {layer.name for _, layer in walk(plan.root) if isinstance(layer, Activation) and layer.name != "maxout"}


@rule("warning", about=(Transfer,), source=SOURCE)
def transfer_inputs_elsewhere(plan: Plan) -> Iterator[Finding]:
    """Inputs in other units, normalised with the source's statistics, are unlike those its layers were trained on."""
    source = plan.trained(source_in(plan.recipe))
    if source is None or source.card.maximum == source.card.minimum:
        return
    ours, theirs = plan.card, source.card
    width = (ours.maximum - ours.minimum) / (theirs.maximum - theirs.minimum)
    if not 1 / FAR <= width <= FAR:
        message = f"the inputs of {ours.id} range from {ours.minimum:g} to {ours.maximum:g}, and those of "
        message += f"{theirs.id}, whose statistics normalise them, from {theirs.minimum:g} to {theirs.maximum:g}: the "
        message += f"copied layers see inputs with {width:.2g} times the range they were trained on. Bring both sets "
        message += "to the same units."
        yield Finding("/pretraining", message, replace("/pretraining", Off()))
