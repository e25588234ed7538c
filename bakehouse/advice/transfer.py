"""Advice on layers that come from another run."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, replace
from bakehouse.plan.layers import Activation, walk
from bakehouse.plan.plan import Plan, source_of
from bakehouse.recipe.ingredient import Off

FAR = 4.0
"""Times as wide: beyond what two samples of one kind of data differ by."""


def transfer_other_activation(plan: Plan) -> Iterator[Advice]:
    """The copied weights were trained for what follows them."""
    source = source_of(plan.recipe, plan.checkpoints)
    ours, theirs = activations(plan), set() if source is None else activations(source)
    if ours and len(theirs) == 1 and ours != theirs:
        [name] = theirs
        yield Advice(
            code="transfer_other_activation",
            severity="warning",
            pointer="/architecture/activation",
            message=f"the copied layers were trained with {name} behind them, and here it is {' and '.join(ours)}: "
            "what they give to the next layer is something else.",
            source="Yosinski et al. 2014, arXiv 1411.1792, section 2",
            patch=replace("/architecture/activation", name),
        )


def activations(plan: Plan) -> set[str]:
    """Those of a model, but for maxout, which is as much a matter of widths."""
    return {layer.name for _, layer in walk(plan.root) if isinstance(layer, Activation) and layer.name != "maxout"}


def transfer_inputs_elsewhere(plan: Plan) -> Iterator[Advice]:
    """Inputs in other units, normalised with the source's numbers, are not what its layers know."""
    source = source_of(plan.recipe, plan.checkpoints)
    if source is None or source.card.maximum == source.card.minimum:
        return
    here, there = plan.card, source.card
    width = (here.maximum - here.minimum) / (there.maximum - there.minimum)
    if not 1 / FAR <= width <= FAR:
        yield Advice(
            code="transfer_inputs_elsewhere",
            severity="warning",
            pointer="/pretraining",
            message=f"the inputs of {here.id} run from {here.minimum:g} to {here.maximum:g} and those of {there.id}, "
            f"with whose numbers they are normalised, from {there.minimum:g} to {there.maximum:g}: the copied layers "
            f"see inputs {width:.2g} times as wide as they know. Bring both sets to the same units.",
            source="Yosinski et al. 2014, arXiv 1411.1792, section 2",
            patch=replace("/pretraining", Off()),
        )
